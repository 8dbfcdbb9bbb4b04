package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"allocstore/store"
)

func newList(a *app) *cobra.Command {
	var by filter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List allocations, by node, job, evaluation or ID prefix",
		Example: `  allocctl -f state.db list --job example
  allocctl -f state.db list --prefix 2032 --json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.onSource(func(cmd *cobra.Command, _ []string, s source) error {
			if err := by.check(); err != nil {
				return err
			}
			if a.json {
				return printLines(a.out, s.List(cmd.Context(), by))
			}
			return a.printTable(s.List(cmd.Context(), by))
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&by.Node, "node", "", "allocations on this node")
	flags.StringVar(&by.Job, "job", "", "allocations of this job")
	flags.StringVar(&by.Eval, "eval", "", "allocations of this evaluation")
	flags.StringVar(&by.Prefix, "prefix", "", "allocations with this prefix of their ID")
	flags.BoolVar(&a.json, "json", false, "JSON lines, one allocation each")
	a.completeList(cmd)
	return cmd
}

// printLines prints the allocations that can be read, as JSON lines, and returns the last error.
func printLines(w io.Writer, all store.Allocations) (failed error) {
	for alloc, err := range all {
		if err != nil {
			failed = err
		} else if err := printLine(w, alloc); err != nil {
			return err
		}
	}
	return failed
}

// printTable is printLines for people.
func (a *app) printTable(all store.Allocations) (failed error) {
	t := &tableText{columns: []column{{"ID", idCell}, {"Name", textCell}, {"Node", otherID}, {"Desired", textCell}, {"Status", textCell}, {"Index", numberCell}}}
	for alloc, err := range all {
		if err != nil {
			failed = err
			continue
		}
		desired, client := colorsOf(alloc)
		t.add(alloc.ID, plain(alloc.Name), plain(alloc.NodeID), a.paint(alloc.DesiredStatus, desired), a.paint(alloc.ClientStatus, client), strconv.FormatUint(alloc.ModifyIndex, 10))
	}
	if len(t.rows) == 0 && failed == nil {
		fmt.Fprintln(a.err, "no allocations")
	}
	return cmp.Or(t.write(a.out, widthOf(a.out)), failed)
}

// The lists of serve, beside the documented endpoint: JSON lines, and an error in a trailer if the list
// is incomplete.
const (
	listPath  = "/v1/allocctl/allocations"
	listError = "Allocctl-Error"
)

func (by filter) values() url.Values {
	return url.Values{"node": {by.Node}, "job": {by.Job}, "eval": {by.Eval}, "prefix": {by.Prefix}}
}

// serveList answers with a list. It leaves out allocations that cannot be read; the trailer has the last
// error.
func serveList(s *store.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		by := filter{Node: q.Get("node"), Job: q.Get("job"), Eval: q.Get("eval"), Prefix: q.Get("prefix")}
		if err := by.check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Trailer", listError)
		if err := printLines(w, by.of(s)); err != nil {
			w.Header().Set(listError, err.Error())
		}
	})
}
