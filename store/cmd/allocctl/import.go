package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

// importBatch is how many allocations are written at a time.
const importBatch = 1000

func newImport(a *app) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Read allocations from JSON lines",
		Long: `Read allocations from JSON lines, such as export writes, from a file or the standard input,
and write them to the store, which is created if it is not there. What is there already under
an ID is replaced; what is there as it is costs nothing. Indexes are the store's own.

Every line is checked. The first that cannot be read or stored ends the import, and is named;
what comes before it is in the store. An import that was interrupted goes on with --after and the
index that it has named, of the lines.`,
		Example: `  allocctl -f state.db import allocations.jsonl
  zcat allocations.jsonl.gz | allocctl -f state.db import`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in, size := a.in, int64(-1)
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
				if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
					size = info.Size()
				}
			}
			s, err := a.open(false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			return a.importLines(cmd.Context(), s, in, size, after)
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "leave out lines whose ModifyIndex is not above this")
	return cmd
}

// An importer writes allocations to a store, some at a time.
type importer struct {
	s     *store.Store
	batch []*schema.Allocation

	line      int    // the last that was read
	written   int    // allocations in the store
	unchanged int    // of them, those that were there as they are
	index     uint64 // the highest of the lines that are in the store
	next      uint64 // the highest of those that are read
}

func (a *app) importLines(ctx context.Context, s *store.Store, in io.Reader, size int64, after uint64) error {
	bar := a.progress("importing", size, true)
	im := &importer{s: s, index: after, next: after}
	lines := newLines(in)
	err := ctx.Err()
	for err == nil && lines.Scan() {
		err = im.take(ctx, lines.Bytes(), after)
		_ = bar.Add(len(lines.Bytes()) + 1)
	}
	if err == nil && lines.Err() != nil {
		err = fmt.Errorf("line %d: %w", im.line+1, lines.Err())
	}
	if e := im.flush(ctx); err == nil { // what came before the fault is good
		err = e
	}
	_ = bar.Finish()
	if err != nil {
		return fmt.Errorf("%w (%d allocations are in the store; go on with --after %d)", err, im.written, im.index)
	}
	fmt.Fprintf(a.err, "%d allocations, of which %d were there as they are; the store is at index %d\n", im.written, im.unchanged, s.LastIndex())
	return nil
}

// take reads a line.
func (im *importer) take(ctx context.Context, text []byte, after uint64) error {
	im.line++
	if len(text) == 0 {
		return nil
	}
	alloc, err := schema.DecodeJSON(text)
	if err == nil {
		err = alloc.Validate()
	}
	if err == nil && alloc.Job == nil {
		err = fmt.Errorf("%w: allocation %s", store.ErrNoJob, alloc.ID)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", im.line, err)
	}
	if after > 0 && alloc.ModifyIndex <= after {
		return nil
	}
	im.next = max(im.next, alloc.ModifyIndex)
	im.batch = append(im.batch, alloc)
	if len(im.batch) < importBatch {
		return nil
	}
	return im.flush(ctx)
}

// flush writes what was read: what the scheduler owns, and then what the client does, which
// an update of the scheduler's leaves alone.
func (im *importer) flush(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	b := new(store.Batch)
	for _, alloc := range im.batch {
		b.Upsert(alloc)
		b.UpdateFromClient(alloc)
	}
	applied, err := im.s.Apply(ctx, b)
	if err != nil {
		return fmt.Errorf("the %d allocations up to line %d: %w", len(im.batch), im.line, err)
	}
	im.written += len(im.batch)
	im.unchanged += applied.Unchanged / 2
	im.index = im.next
	clear(im.batch)
	im.batch = im.batch[:0]
	return nil
}
