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
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write all allocations as JSON lines",
		Long: `Write all allocations as JSON lines to the standard output, in the order of their last
changes, all as of one index.

To continue an interrupted export, give --after the index in its message. To export only later
changes, give --after the index of the last export. An export has no deletions: a backup has.`,
		Example: `  allocctl -f state.db export > allocations.jsonl
  allocctl -f state.db export --after 1200 >> allocations.jsonl`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.onFile(a.export),
	}
	cmd.Flags().Uint64Var(&a.after, "after", 0, "only allocations that changed above this index")
	return cmd
}

// A changed is an allocation to export.
type changed struct {
	id    schema.ID
	index uint64
}

// export writes the changed allocations, and reports the index that it has reached.
func (a *app) export(cmd *cobra.Command, _ []string, s *store.Store) error {
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	if err := a.checkAfter(sn.Index()); err != nil {
		return err
	}
	all, damaged, err := changedAfter(cmd.Context(), sn, a.after)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(a.out)
	exported := a.exportAll(cmd.Context(), out, sn, all)
	if err := cmp.Or(out.Flush(), exported); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s, up to index %d\n", counted(len(all), "allocation"), sn.Index())
	if damaged > 0 {
		return fmt.Errorf("%w: %s left out, which cannot be read: see check", store.ErrCorrupt, counted(damaged, "allocation"))
	}
	return nil
}

// checkAfter returns an error if the index of --after is above the last one.
func (a *app) checkAfter(last uint64) error {
	if a.after <= last {
		return nil
	}
	return fmt.Errorf("--after %d: the last index of %s is %d: --after is from another store, or from this one before a restore", a.after, a.file, last)
}

// exportAll writes the allocations. If ctx ends, the error says where to continue.
func (a *app) exportAll(ctx context.Context, out io.Writer, sn *store.Snapshot, all []changed) error {
	var bar *bar
	if !isTerminal(a.out) { // the allocations would run through it
		bar = a.progress("exporting", int64(len(all)), false)
	}
	defer bar.Finish()
	for _, c := range all {
		if ctx.Err() != nil {
			return fmt.Errorf("%w (go on with --after %d)", ctx.Err(), c.index-1)
		}
		alloc, err := sn.Get(c.id.String())
		if err != nil {
			return err
		}
		if err := printLine(out, alloc); err != nil {
			return err
		}
		bar.Add(1)
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
		case err != nil:
			return nil, 0, err
		case alloc.ModifyIndex > after:
			id, err := schema.ParseID(alloc.ID)
			if err != nil {
				return nil, 0, err
			}
			all = append(all, changed{id, alloc.ModifyIndex})
		}
	}
	slices.SortStableFunc(all, func(x, y changed) int { return cmp.Compare(x.index, y.index) }) // and by ID
	return all, damaged, nil
}
