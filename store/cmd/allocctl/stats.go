package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
)

func newStats(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "stats",
		Short:   "Show the counts and sizes of the store",
		Example: "  allocctl -f state.db stats --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.withStore(readOnly, func(s *store.Store) error {
				stats := s.Stats()
				if asJSON {
					return printLine(a.out, stats)
				}
				a.printStats(&stats)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func (a *app) printStats(stats *store.Stats) {
	bytes := func(n int64) string { return fmt.Sprintf("%s (%d)", humanize.Bytes(uint64(max(n, 0))), n) }
	t := newTable(a.out)
	t.AppendRows([]tableRow{
		{"Last index", stats.LastIndex},
		{"Changes are kept after", stats.Floor},
		{"Allocations", stats.Allocations},
		{"Deleted, and remembered", stats.Tombstones},
		{"Jobs", stats.Jobs},
		{"File", bytes(stats.FileBytes)},
		{"  needed", bytes(stats.LiveBytes)},
		{"  superseded", bytes(stats.DeadBytes)},
		{"Damaged records and jobs", stats.Damaged},
		{"Quarantined allocations", stats.Quarantined},
	})
	t.Render()
}
