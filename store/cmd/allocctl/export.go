package main

import (
	"bufio"
	"cmp"
	"context"
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
		Long: `Write all allocations as JSON lines to the standard output, in the order in which they
last changed, all as of one index.

An export that was interrupted goes on with --after and the index that it has named; so does
one that is to have only what has changed since. Deletions are not in it: a backup has them.`,
		Example: `  allocctl -f state.db export > allocations.jsonl
  allocctl -f state.db export --after 1200 >> allocations.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.open(true)
			if err != nil {
				return err
			}
			defer s.Close()
			sn, err := s.Snapshot()
			if err != nil {
				return err
			}
			defer sn.Close()
			return a.export(cmd.Context(), sn, after)
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only what has changed above this index")
	return cmd
}

// A changed allocation is one that is to be exported.
type changed struct {
	id    schema.ID
	index uint64
}

// export writes what has changed, and says up to which index it has come.
func (a *app) export(ctx context.Context, sn *store.Snapshot, after uint64) error {
	all, err := changedAfter(ctx, sn, after)
	if err != nil {
		return err
	}
	bar := a.progress("exporting", int64(len(all)), false)
	out := bufio.NewWriter(a.out)
	done := after
	for i, c := range all {
		if err = ctx.Err(); err == nil {
			err = exportOne(out, sn, c.id)
		}
		if err != nil {
			break
		}
		if i+1 == len(all) || all[i+1].index > c.index {
			done = c.index
		}
		_ = bar.Add(1)
	}
	if e := out.Flush(); err == nil {
		err = e
	}
	_ = bar.Finish()
	if err != nil {
		return fmt.Errorf("%w (go on with --after %d)", err, done)
	}
	fmt.Fprintf(a.err, "%d allocations, up to index %d\n", len(all), max(done, sn.Index()))
	return nil
}

// changedAfter returns what has changed above an index, in that order.
func changedAfter(ctx context.Context, sn *store.Snapshot, after uint64) ([]changed, error) {
	var all []changed
	for alloc, err := range sn.All() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if alloc.ModifyIndex <= after {
			continue
		}
		id, err := schema.ParseID(alloc.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, changed{id, alloc.ModifyIndex})
	}
	slices.SortFunc(all, func(x, y changed) int { return cmp.Or(cmp.Compare(x.index, y.index), x.id.Compare(y.id)) })
	return all, nil
}

func exportOne(w io.Writer, sn *store.Snapshot, id schema.ID) error {
	alloc, err := sn.Get(id.String())
	if err != nil {
		return err
	}
	return printLine(w, alloc)
}
