package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"allocstore/store"
)

func newGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get ID",
		Short: "Print an allocation as JSON",
		Long: `Print an allocation as JSON. The beginning of its ID is enough, if no other ID begins so.
With --addr that needs a process of allocctl serve.`,
		Example: `  allocctl -f state.db get 203266e5-e0d6-9486-5e05-397ed2b184af
  allocctl -f state.db get 2032`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completer(completeID),
		RunE: a.onSource(func(cmd *cobra.Command, args []string, s source) error {
			id, err := wholeID(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			return a.printFound(s.Wait(cmd.Context(), id, store.QueryOptions{}))
		}),
	}
}

// printFound prints the allocation of a wait for people, like the endpoint with ?pretty.
func (a *app) printFound(r store.WaitResult, err error) error {
	alloc, err := found(r, err)
	if err != nil {
		return err
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "    ")
	return e.Encode(alloc)
}

// printLine writes v as one line of JSON.
func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
