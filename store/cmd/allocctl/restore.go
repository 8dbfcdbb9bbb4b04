package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"allocstore/store"
	"allocstore/store/internal/ctxio"
)

func newRestore(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace all content by a backup, or - for the standard input",
		Long: `Replace the content of the store by that of a backup, of this store or another. The backup
is verified first; a damaged one changes nothing. It may be compressed by gzip. The store is created if it does not exist.`,
		Example: "  allocctl -f state.db restore state.bak",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var stats store.Stats
			err := a.withInput(cmd.Context(), args[0], "restoring", func(in io.Reader) error {
				return a.withStore(cmd.Context(), importOptions(maxAllocation), func(s *store.Store) error {
					from := ctxio.NewReader(cmd.Context(), in)
					defer from.Close()
					content, err := unzipped(from)
					if err == nil {
						err = s.Restore(cmd.Context(), content)
					}
					stats = s.Stats()
					return err
				})
			})
			if err == nil {
				fmt.Fprintf(a.err, "%s, index %d\n", counted(stats.Allocations, "allocation"), stats.LastIndex)
			}
			return err
		},
	}
}
