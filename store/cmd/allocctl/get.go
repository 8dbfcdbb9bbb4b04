package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

func newGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "get ID",
		Short:   "Print an allocation as JSON",
		Example: "  allocctl -f state.db get 203266e5-e0d6-9486-5e05-397ed2b184af",
		Args:    cobra.ExactArgs(1),
		RunE: a.onSource(func(cmd *cobra.Command, args []string, s source) error {
			alloc, err := found(s.Wait(cmd.Context(), args[0], store.QueryOptions{}))
			if err != nil {
				return err
			}
			return printJSON(a.out, alloc)
		}),
	}
}

// printJSON writes an allocation for people, like the endpoint with ?pretty.
func printJSON(w io.Writer, alloc *schema.Allocation) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	return e.Encode(alloc)
}

// printLine writes v as one line of JSON.
func printLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
