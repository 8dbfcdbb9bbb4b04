package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"allocstore/store"
)

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Verify the whole file",
		Long: `Verify the structure of the file, all checksums and references, and that every
allocation can be read. Every fault is a line; the exit code is 6 if there is one.`,
		Example: "  allocctl -f state.db check",
		Args:    cobra.NoArgs,
		RunE:    a.onFile(a.check),
	}
}

func (a *app) check(cmd *cobra.Command, _ []string, s *store.Store) error {
	ctx, faults := cmd.Context(), 0
	for err := range s.Check(ctx) {
		if ctx.Err() != nil {
			return err
		}
		faults++
		fmt.Fprintln(a.out, err)
	}
	if faults > 0 {
		return fmt.Errorf("%w: %d faults", store.ErrCorrupt, faults)
	}
	stats := s.Stats()
	fmt.Fprintf(a.out, "%s is sound: %d allocations, index %d\n", a.file, stats.Allocations, stats.LastIndex)
	return nil
}
