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
		Example:           "  allocctl -f state.db check",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.onFile(a.check),
	}
}

func (a *app) check(cmd *cobra.Command, _ []string, s *store.Store) error {
	ctx, faults := cmd.Context(), 0
	for err := range s.Check(ctx) {
		if ctx.Err() != nil {
			return err
		}
		faults++
		if err := a.say("%v", err); err != nil {
			return err
		}
	}
	if faults > 0 {
		return fmt.Errorf("%w: %s", store.ErrCorrupt, counted(faults, "fault"))
	}
	stats := s.Stats()
	return a.say("%s is sound: %s, index %d", a.file, counted(stats.Allocations, "allocation"), stats.LastIndex)
}
