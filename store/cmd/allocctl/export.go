package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

func newExport(a *app) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all allocations as JSON lines",
		Long: `Write all allocations as JSON lines to the standard output, in the order of their last
changes, all as of one index.

To continue an interrupted export, give --after the index in its message. To export only later
changes, give --after the index of the last export. An export has no deletions: a backup has.`,
		Example: `  allocctl -f state.db export > allocations.jsonl
  allocctl -f state.db export --after 1200 >> allocations.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(store.Options{ReadOnly: true}, func(s *store.Store) error {
				sn, err := s.Snapshot()
				if err != nil {
					return err
				}
				defer sn.Close()
				return a.export(cmd.Context(), sn, after)
			})
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only allocations that changed above this index")
	return cmd
}

// A changed is an allocation to export.
type changed struct {
	id    schema.ID
	index uint64
}

// export writes the changed allocations, and reports the index that it has reached.
func (a *app) export(ctx context.Context, sn *store.Snapshot, after uint64) error {
	all, damaged, err := changedAfter(ctx, sn, after)
	if err != nil {
		return err
	}
	bar := a.progress("exporting", int64(len(all)), false)
	out := bufio.NewWriter(a.out)
	done := after
	for i, c := range all {
		if ctx.Err() != nil {
			break
		}
		if err = exportOne(out, sn, c.id); err != nil {
			break
		}
		if i+1 == len(all) || all[i+1].index > c.index {
			done = c.index
		}
		_ = bar.Add(1)
	}
	_ = bar.Finish()
	if err == nil {
		err = out.Flush()
	}
	switch {
	case err != nil: // some of the last lines may not have been written: do not report an index
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w (go on with --after %d)", ctx.Err(), done)
	}
	fmt.Fprintf(a.err, "%d allocations, up to index %d\n", len(all), max(done, sn.Index()))
	if damaged > 0 {
		return fmt.Errorf("%w: %d allocations cannot be read, and are not among them: see check", store.ErrCorrupt, damaged)
	}
	return nil
}

// changedAfter returns the allocations that changed above an index, ordered by index, and the number of
// allocations, of any index, that cannot be read.
func changedAfter(ctx context.Context, sn *store.Snapshot, after uint64) (all []changed, damaged int, err error) {
	for alloc, err := range sn.All() {
		switch {
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case errors.Is(err, store.ErrCorrupt):
			damaged++
			continue
		case err != nil:
			return nil, 0, err
		case alloc.ModifyIndex <= after:
			continue
		}
		id, err := schema.ParseID(alloc.ID)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, changed{id, alloc.ModifyIndex})
	}
	slices.SortFunc(all, func(x, y changed) int { return cmp.Or(cmp.Compare(x.index, y.index), x.id.Compare(y.id)) })
	return all, damaged, nil
}

func exportOne(w io.Writer, sn *store.Snapshot, id schema.ID) error {
	alloc, err := sn.Get(id.String())
	if err != nil {
		return err
	}
	return printLine(w, alloc)
}
