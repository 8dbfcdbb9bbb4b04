package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"allocstore/index"
	"allocstore/schema"
)

// A changeLine is a line of follow.
type changeLine struct {
	Index uint64
	ID    string
	Last  bool               // no other change has this index
	Alloc *schema.Allocation // null if it was deleted
}

func newFollow(a *app) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "follow",
		Short: "Print every change above an index, in order",
		Long: `Print every change above --after as JSON lines, in the order of the indexes, up to the
last one: a file that is open here cannot change any more. A line has the allocation as the change
left it, or null for a deletion. Go on later after the Index of the last line whose Last is true.`,
		Example: "  allocctl -f state.db follow --after 1200",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.open(true)
			if err != nil {
				return err
			}
			defer s.Close()
			if after >= s.Stats().Floor && s.LastIndex() <= max(after, index.Created) {
				return nil // there is none
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			for ch, err := range s.Changes(ctx, after) {
				if errors.Is(err, context.Canceled) && cmd.Context().Err() == nil {
					return nil // ended below
				}
				if err != nil {
					return err
				}
				if err := printLine(a.out, changeLine{ch.Index, ch.ID, ch.Last, ch.Alloc}); err != nil {
					return err
				}
				if ch.Last && ch.Index >= s.LastIndex() {
					return nil
				}
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "changes above this index")
	return cmd
}
