package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"allocstore/schema"
)

const (
	// completeTime bounds how long a shell waits. Words that cannot be read in time are not offered.
	completeTime = 800 * time.Millisecond

	// maxCompleted is the number of IDs that are offered whole. If there are more, their next digits are.
	maxCompleted = 200
)

// A finder returns the words that begin with a prefix, and what to do with them.
type finder func(ctx context.Context, s source, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective)

// completer returns the completion of an argument from the store. It offers nothing if the store cannot be
// read at once, as when another process has the file open for writing.
func (a *app) completer(find finder) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, stop := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), completeTime)
		defer stop()
		quiet := &app{in: a.in, out: io.Discard, err: io.Discard, file: a.file, addr: a.addr, lockTimeout: -1}
		quiet.chooseSource(cmd)
		var words []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp
		read := quiet.onSource(func(_ *cobra.Command, _ []string, s source) error {
			words, directive = find(ctx, s, args, prefix)
			return ctx.Err()
		})
		cmd.SetContext(ctx)
		_, err := untilDone(ctx, func() (bool, error) { return true, read(cmd, args) }, func(bool) {})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, directive
	}
}

// completeID completes the first argument by the ID of an allocation.
func completeID(ctx context.Context, s source, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completePrefix(ctx, s, args, prefix)
}

// completePrefix completes the beginning of an ID.
func completePrefix(ctx context.Context, s source, _ []string, prefix string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	for alloc, err := range s.List(ctx, filter{Prefix: prefix}) {
		if err != nil {
			continue // the others are offered
		}
		if len(words) == maxCompleted {
			return nextDigits(ctx, s, prefix), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		about := fmt.Sprintf("%s, %s", plain(alloc.Name), cmp.Or(plain(alloc.ClientStatus), "no status"))
		words = append(words, cobra.CompletionWithDesc(prefix+alloc.ID[len(prefix):], about))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// nextDigits returns the prefixes that are one character longer, and that an ID begins with.
func nextDigits(ctx context.Context, s source, prefix string) (words []cobra.Completion) {
	for _, digit := range "-0123456789abcdef" {
		longer := prefix + string(digit)
		if _, _, err := schema.IDRange(longer); err != nil {
			continue
		}
		for _, err := range s.List(ctx, filter{Prefix: longer}) {
			if err == nil {
				words = append(words, longer)
				break
			}
		}
	}
	return words
}

// completeEvents completes the ID of an allocation, and then one of its tasks.
func completeEvents(ctx context.Context, s source, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return completeID(ctx, s, args, prefix)
	}
	var found []*schema.Allocation
	for alloc, err := range s.List(ctx, filter{Prefix: args[0]}) {
		if found = append(found, alloc); err != nil || len(found) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	if len(found) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return offer(maps.Keys(found[0].TaskStates), prefix), cobra.ShellCompDirectiveNoFileComp
}

// completeField returns the finder of a field's values in all allocations. It reads on all processors, since a
// large store takes most of completeTime.
func completeField(field func(*schema.Allocation) string) finder {
	return func(ctx context.Context, s source, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var mu sync.Mutex // guards values
		values := make(map[string]bool)
		var readers sync.WaitGroup
		for _, digit := range "0123456789abcdef" {
			readers.Go(func() {
				part := make(map[string]bool)
				for alloc, err := range s.List(ctx, filter{Prefix: string(digit)}) {
					if err == nil {
						part[field(alloc)] = true
					}
				}
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(values, part)
			})
		}
		readers.Wait()
		return offer(maps.Keys(values), prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

// offer returns the values that begin with prefix, sorted. It leaves out those with characters that a
// completion cannot have.
func offer(values func(func(string) bool), prefix string) (words []cobra.Completion) {
	for value := range values {
		odd := strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsGraphic(r) })
		if value != "" && !odd && strings.HasPrefix(value, prefix) {
			words = append(words, value)
		}
	}
	slices.Sort(words)
	return words
}

// completeList sets the completions of the flags of list.
func (a *app) completeList(cmd *cobra.Command) {
	for name, find := range map[string]finder{
		"node":   completeField(func(alloc *schema.Allocation) string { return alloc.NodeID }),
		"job":    completeField(func(alloc *schema.Allocation) string { return alloc.JobID }),
		"eval":   completeField(func(alloc *schema.Allocation) string { return alloc.EvalID }),
		"prefix": completePrefix,
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, a.completer(find)) // fails only for an unknown flag
	}
}
