package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func newRestore(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace all content by a backup, or - for the standard input",
		Long: `Replace all that the store holds by what a backup has, of this store or another. The backup is
verified first; a damaged one changes nothing. The store is created if it is not there.`,
		Example: "  allocctl -f state.db restore state.bak",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in, size := a.in, int64(-1)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				if info, err := f.Stat(); err == nil {
					size = info.Size()
				}
				in = f
			}
			s, err := a.open(false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			bar := a.progress("restoring", size, true)
			err = s.Restore(cmd.Context(), io.TeeReader(in, bar))
			_ = bar.Finish()
			if err != nil {
				return err
			}
			stats := s.Stats()
			fmt.Fprintf(a.err, "%d allocations, index %d\n", stats.Allocations, stats.LastIndex)
			return nil
		},
	}
}
