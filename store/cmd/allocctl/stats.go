package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
)

func newStats(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "stats",
		Short:             "Show the counts and sizes of the store",
		Example:           "  allocctl -f state.db stats --json",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.onFile(a.stats),
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "as JSON")
	return cmd
}

func (a *app) stats(_ *cobra.Command, _ []string, s *store.Store) error {
	stats := s.Stats()
	if a.json {
		return printLine(a.out, stats)
	}
	bytes := func(n int64) string { return fmt.Sprintf("%s (%d)", humanize.Bytes(uint64(max(n, 0))), n) }
	t := &tableText{columns: make([]column, 2), rows: [][]string{
		{"Last index", fmt.Sprint(stats.LastIndex)},
		{"Changes are kept after", fmt.Sprint(stats.Floor)},
		{"Allocations", fmt.Sprint(stats.Allocations)},
		{"Deleted, and remembered", fmt.Sprint(stats.Tombstones)},
		{"Jobs", fmt.Sprint(stats.Jobs)},
		{"File", bytes(stats.FileBytes)},
		{"  needed", bytes(stats.LiveBytes)},
		{"  superseded", bytes(stats.DeadBytes)},
		{"Damaged records and jobs", fmt.Sprint(stats.Damaged)},
		{"Quarantined allocations", fmt.Sprint(stats.Quarantined)},
	}}
	return t.write(a.out, widthOf(a.out))
}
