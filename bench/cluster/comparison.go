package main

import (
	"fmt"
	"io"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
)

// comparison is the report of a run: its results, and the data to repeat it.
type comparison struct {
	Date     time.Time
	Command  string
	Revision string // of the repository; "-dirty" if files outside bench/results differ from it
	Machine  machine.Machine

	// SyncBefore and SyncAfter are the disk's latency of a write of 4 KiB with an fdatasync, before the work and after
	// it.
	SyncBefore, SyncAfter time.Duration

	Allocations int // in the clusters before the work, unless a result has another number
	Rounds      int // number of rounds; figures are medians over them
	Seconds     float64
	Results     []result
	Notes       []string
	Targets     []target

	dir string
}

// newComparison returns a report without results.
func newComparison(cfg *config, dir string) (*comparison, error) {
	sync, err := machine.SyncLatency(dir)
	return &comparison{
		Date: time.Now().UTC().Truncate(time.Second), Command: cfg.Command, Revision: report.Revision(),
		Machine: machine.Describe(dir), SyncBefore: sync,
		Allocations: cfg.n, Rounds: cfg.rounds, Seconds: cfg.each.Seconds(), dir: dir,
	}, err
}

// finish compares the results with each other and with the targets, and measures the disk again.
func (c *comparison) finish() (err error) {
	relate(c.Results)
	c.Targets = judge(c.Results)
	c.SyncAfter, err = machine.SyncLatency(c.dir)
	return err
}

// Text writes the report as text.
func (c *comparison) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s, revision %s\n%v\n", c.Command, c.Date.Format(time.RFC3339), c.Revision, c.Machine)
	fmt.Fprintf(w, "fdatasync of 4 KiB: %v before the run, %v after it\n", c.SyncBefore, c.SyncAfter)
	fmt.Fprintf(w, "three nodes of each system in one process, a process for each system; %d allocations, medians of %d rounds of %g s\n\n",
		c.Allocations, c.Rounds, c.Seconds)
	if err := printTable(w, c.Results); err != nil {
		return err
	}
	for _, note := range c.Notes {
		fmt.Fprintf(w, "\nnote: %s", note)
	}
	fmt.Fprint(w, "\n\n")
	return printTargets(w, c.Targets)
}
