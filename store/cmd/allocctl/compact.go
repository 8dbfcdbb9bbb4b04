package main

import (
	"cmp"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
)

func newCompact(a *app) *cobra.Command {
	keep := store.DefaultFeedRetention
	cmd := &cobra.Command{
		Use:               "compact",
		Short:             "Remove superseded records, and make the file as small as its content",
		Example:           "  allocctl -f state.db compact --keep 0",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 0 {
				return usage("--keep %d: want 0 or more", keep)
			}
			opts := store.Options{FeedRetention: cmp.Or(keep, -1)} // FeedRetention 0 is the default
			return a.withStore(cmd.Context(), opts, func(s *store.Store) error {
				before := s.Stats().FileBytes
				if err := s.Compact(cmd.Context()); err != nil {
					return err
				}
				after := s.Stats()
				fmt.Fprintf(a.err, "%s, was %s; the feed begins after index %d\n", humanize.Bytes(uint64(after.FileBytes)), humanize.Bytes(uint64(before)), after.Floor)
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&keep, "keep", keep, "number of latest changes to keep for readers of the feed")
	return cmd
}
