package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

func newList(a *app) *cobra.Command {
	var by filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List allocations, by node, job, evaluation or ID prefix",
		Example: `  allocctl -f state.db list --job example
  allocctl -f state.db list --prefix 2032 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := by.check(); err != nil {
				return err
			}
			s, err := a.source()
			if err != nil {
				return err
			}
			defer s.Close()
			if asJSON {
				return a.listLines(s.List(cmd.Context(), by))
			}
			return a.listTable(s.List(cmd.Context(), by))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&by.Node, "node", "", "of this node")
	flags.StringVar(&by.Job, "job", "", "of this job")
	flags.StringVar(&by.Eval, "eval", "", "placed by this evaluation")
	flags.StringVar(&by.Prefix, "prefix", "", "whose ID begins with this")
	flags.BoolVar(&asJSON, "json", false, "JSON lines, one allocation each")
	return cmd
}

// listLines prints what it has read, also if it cannot read all.
func (a *app) listLines(all store.Allocations) (failed error) {
	for alloc, err := range all {
		if err != nil {
			failed = err
			continue
		}
		if err := printLine(a.out, alloc); err != nil {
			return err
		}
	}
	return failed
}

// listTable is listLines for people.
func (a *app) listTable(all store.Allocations) (failed error) {
	t := newTable(a.out, "ID", "Name", "Node", "Desired", "Status", "Index")
	for alloc, err := range all {
		if err != nil {
			failed = err
			continue
		}
		t.AppendRow(tableRow{alloc.ID, plain(alloc.Name), plain(alloc.NodeID), a.paint(alloc.DesiredStatus), a.paint(alloc.ClientStatus), alloc.ModifyIndex})
	}
	t.Render()
	return failed
}

// listPath is where serve has the lists, which the documented endpoint has not: JSON
// lines, and in a trailer why they are not all, if so.
const (
	listPath  = "/v1/allocctl/allocations"
	listError = "Allocctl-Error"
)

func (by filter) values() url.Values {
	return url.Values{"node": {by.Node}, "job": {by.Job}, "eval": {by.Eval}, "prefix": {by.Prefix}}
}

// serveList answers with a list. What cannot be read is left out of it; the trailer then
// says why, of the last.
func serveList(s *store.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		by := filter{Node: q.Get("node"), Job: q.Get("job"), Eval: q.Get("eval"), Prefix: q.Get("prefix")}
		err := by.check()
		if err == nil {
			_, _, err = schema.IDRange(by.Prefix)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Trailer", listError)
		for alloc, err := range by.of(s) {
			if err != nil {
				w.Header().Set(listError, err.Error())
				continue
			}
			if printLine(w, alloc) != nil {
				return
			}
		}
	})
}
