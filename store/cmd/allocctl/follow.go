package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store"
)

// A changeLine is a line of follow.
type changeLine struct {
	Index uint64
	ID    string
	Last  bool               // the last change of this index
	Alloc *schema.Allocation // null for a deletion
}

func newFollow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "follow",
		Short: "Print every change above an index, in order",
		Long: `Print every change above --after as JSON lines, in the order of the indexes, up to the
last one: an open file does not change any more. A line has the allocation after the change, or
null for a deletion. To continue later, give the Index of the last line whose Last is true;
the message of an interrupted command has it.`,
		Example:           "  allocctl -f state.db follow --after 1200",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.onFile(a.follow),
	}
	cmd.Flags().Uint64Var(&a.after, "after", 0, "changes above this index")
	return cmd
}

// follow prints the changes up to the last index, where the feed would wait for more.
func (a *app) follow(cmd *cobra.Command, _ []string, s *store.Store) error {
	if err := a.checkAfter(s.LastIndex()); err != nil {
		return err
	}
	if a.after >= s.Stats().Floor && s.LastIndex() <= max(a.after, index.Created) {
		return nil
	}
	done := a.after // all lines up to this index are written
	for ch, err := range s.Changes(cmd.Context(), a.after) {
		if err == nil {
			err = printLine(a.out, changeLine{ch.Index, ch.ID, ch.Last, ch.Alloc})
		}
		if err != nil && cmd.Context().Err() != nil {
			return fmt.Errorf("%w (go on with --after %d)", err, done)
		}
		if err != nil {
			return err
		}
		if ch.Last {
			done = ch.Index
		}
		if ch.Last && ch.Index >= s.LastIndex() {
			return nil
		}
	}
	return nil
}
