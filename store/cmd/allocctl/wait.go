package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"allocstore/store"
)

func newWait(a *app) *cobra.Command {
	var index uint64
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Block until an allocation changes, and print it",
		Long: `Block until the allocation changes at an index above --index, or is placed if it does not
exist, and print it as JSON. Its index goes to the error output: with that as the next --index
no change is missed. The beginning of an ID is enough, as for get, if the allocation exists.

A file that is open here does not change, so the command does not wait for it: wait with --addr on
the process that writes the file.`,
		Example:           `  allocctl --addr http://127.0.0.1:4646 wait 203266e5-e0d6-9486-5e05-397ed2b184af --index 9 --timeout 60s`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completer(completeID),
		RunE: a.onSource(func(cmd *cobra.Command, args []string, s source) error {
			id, err := wholeID(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			opts := store.QueryOptions{MinQueryIndex: index, MaxQueryTime: timeout}
			if !cmd.Flags().Changed("index") {
				now, err := s.Wait(cmd.Context(), id, store.QueryOptions{})
				if err != nil {
					return err
				}
				opts.MinQueryIndex = now.Index
			}
			r, err := s.Wait(cmd.Context(), id, opts)
			if err != nil && cmd.Context().Err() != nil {
				return fmt.Errorf("%w (go on with --index %d)", err, opts.MinQueryIndex)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "index %d\n", r.Index)
			if r.Outcome == store.TimedOut {
				return fmt.Errorf("%w: nothing has changed", errTimedOut)
			}
			return a.printFound(r, nil)
		}),
	}
	cmd.Flags().Uint64Var(&index, "index", 0, "wait for a change above this index; without it, for the next change")
	cmd.Flags().DurationVar(&timeout, "timeout", store.DefaultMaxQueryTime, "the longest time to wait, up to 10m")
	return cmd
}
