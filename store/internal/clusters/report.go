package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A report has the results of a run.
type report struct {
	Command   string
	Date      time.Time
	Revision  string
	Seed      uint64
	Length    time.Duration
	Parts     int
	Restores  int
	Batches   int            // in the feeds
	Faults    map[string]int // by name
	Calls     map[string]int // by kind and outcome
	Elections int
	Installs  int64
	Skipped   int64 // gaps of readers that were away for too long
	Mounted   bool  // each node had a disk of its own
	Failed    []string
	Left      string // the directory with the history of a failed run
}

// String formats the report as text.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, %s, %s, %d processors\n\n", r.Command, r.Date.Format(time.DateTime), r.Revision, runtime.Version(), runtime.NumCPU())
	disks := "a disk of its own for each node"
	if !r.Mounted {
		disks = "one disk for all nodes"
	}
	fmt.Fprintf(&b, "seed %d, %v, %d parts, %s\n", r.Seed, r.Length.Round(time.Second), r.Parts, disks)
	fmt.Fprintf(&b, "%d batches, %d terms with a leader, %d snapshots installed, %d restores\n", r.Batches, r.Elections, r.Installs, r.Restores)
	table(&b, "faults", r.Faults)
	table(&b, "calls", r.Calls)
	fmt.Fprintf(&b, "\nreaders that were away for so long that compaction had passed them: %d\n", r.Skipped)
	fmt.Fprintf(&b, "violations: %d\n", len(r.Failed))
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	if r.Left != "" {
		fmt.Fprintf(&b, "the history and the messages of the nodes are in %s\n", r.Left)
	}
	return b.String()
}

// table writes counts, sorted by name.
func table(b *strings.Builder, heading string, counts map[string]int) {
	fmt.Fprintf(b, "\n%s:\n", heading)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "%8d  %s\n", counts[name], name)
	}
}

// write writes the report to a directory.
func (r *report) write(dir string) error {
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "clusters.txt"), []byte(r.String()), 0o644))
}

// revision asks git, and returns "unknown" if that fails.
func revision() string {
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	changes, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(top,exclude)bench/results").Output()
	if err != nil || len(changes) > 0 {
		name += "-dirty"
	}
	return name
}
