package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// report is all that a run found, and what it takes to find it again.
type report struct {
	Date     time.Time
	Command  string
	Revision string // of the repository; "-dirty" if files differ from it, results aside
	Machine  machine

	Allocations int     // that were there already, unless a result says otherwise
	Rounds      int     // of which the figures are medians
	Seconds     float64 // of one measurement
	Herd        int     // readers of one allocation

	Results []result
	Notes   []string
	Targets []target
}

// newReport returns a report without results.
func newReport(cfg config) (*report, error) {
	m, err := newMachine(cfg.dir)
	if err != nil {
		return nil, err
	}
	return &report{
		Date:        cfg.date,
		Command:     cfg.command,
		Revision:    revision(),
		Machine:     m,
		Allocations: cfg.n,
		Rounds:      cfg.rounds,
		Seconds:     cfg.each.Seconds(),
		Herd:        cfg.herd,
	}, nil
}

// revision asks git, and returns "unknown" where it cannot tell.
func revision() string {
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changes, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(top,exclude)bench/results").Output(); err != nil || len(changes) > 0 {
		name += "-dirty"
	}
	return name
}

// add takes the results.
func (r *report) add(results []result, notes []string) {
	r.Results = grouped(results)
	compare(r.Results)
	r.Notes = notes
	r.Targets = judge(figures{r.Results, r.Herd})
}

// print writes the report for people.
func (r *report) print(w io.Writer) error {
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

// json writes the report for programs.
func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// save writes the report and its pictures into dir.
func (r *report) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{"peers.json": r.json, "peers.txt": r.print} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return drawAll(dir, r.Results)
}
