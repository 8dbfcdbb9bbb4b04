package main

import (
	"fmt"
	"io"
	"time"

	"allocstore/bench/internal/report"
)

// A comparison is the report of a run: its results, and the data to repeat it.
type comparison struct {
	Date     time.Time
	Command  string
	Revision string // of the repository; "-dirty" if files outside bench/results differ from it
	Machine  testMachine

	Allocations int     // in the stores before the work, unless a result has another number
	Rounds      int     // number of rounds; figures are medians over them
	Seconds     float64 // length of one measurement
	Herd        int     // readers on one allocation

	Results []result
	Notes   []string
	Targets []target
}

// newComparison returns a report without results.
func newComparison(cfg config) (*comparison, error) {
	m, err := describe(cfg.dir)
	if err != nil {
		return nil, err
	}
	return &comparison{
		Date:        cfg.date,
		Command:     cfg.command,
		Revision:    report.Revision(),
		Machine:     m,
		Allocations: cfg.n,
		Rounds:      cfg.rounds,
		Seconds:     cfg.each.Seconds(),
		Herd:        cfg.herd,
	}, nil
}

// setResults sets the results and compares them with the targets.
func (r *comparison) setResults(results []result, notes []string) {
	r.Results = grouped(results)
	compare(r.Results)
	r.Notes = notes
	r.Targets = judge(r.Results)
}

// Text writes the report as text.
func (r *comparison) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s, revision %s\n%v\n", r.Command, r.Date.Format(time.RFC3339), r.Revision, r.Machine)
	fmt.Fprintf(w, "%d allocations, medians of %d rounds of %g s\n\n", r.Allocations, r.Rounds, r.Seconds)
	if err := printTable(w, r.Results); err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s", note)
	}
	fmt.Fprint(w, "\n\n")
	return printTargets(w, r.Targets)
}

// write writes the report to w. If dir is not empty, it also saves the report and its
// pictures there.
func (r *comparison) write(w io.Writer, asJSON bool, dir string) error {
	if err := report.Write(w, asJSON, dir, "peers", r); err != nil || dir == "" {
		return err
	}
	return drawAll(dir, r.Results)
}
