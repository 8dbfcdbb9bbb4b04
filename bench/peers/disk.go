package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
)

// A testMachine is the machine that the figures come from, with its disk.
type testMachine struct {
	machine.Machine
	Sync syncCost
}

// syncCost is the time that the disk takes for a durable write.
type syncCost struct {
	Fdatasync time.Duration // median of a write of 4 KiB with an fdatasync, nanoseconds

	// CommitFloor is the least time of a commit with two such writes, as bbolt
	// makes them: one for its pages, one for its meta page.
	CommitFloor time.Duration
}

// describe describes the machine, and measures the disk that dir is on.
func describe(dir string) (testMachine, error) {
	cost, err := probe(dir)
	return testMachine{machine.Describe(dir), cost}, err
}

func (m testMachine) String() string {
	return fmt.Sprintf("%v; fdatasync of 4 KiB %v, two of them %v (%.0f commits/s)",
		m.Machine, m.Sync.Fdatasync, m.Sync.CommitFloor, 1/m.Sync.CommitFloor.Seconds())
}

const (
	probes    = 200
	probeSize = 4 << 10
)

// probe measures writes of one page with an fdatasync each. The file's blocks are
// allocated before, as most blocks of a database's file are.
func probe(dir string) (cost syncCost, err error) {
	f, err := os.CreateTemp(dir, "peers-probe-")
	if err != nil {
		return cost, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, probes*probeSize)); err != nil {
		return cost, err
	}
	if err := f.Sync(); err != nil {
		return cost, err
	}
	took := make([]time.Duration, probes)
	page := []byte(strings.Repeat("page", probeSize/4))
	for i := range took {
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i)*probeSize); err != nil {
			return cost, err
		}
		if err := fdatasync(f); err != nil {
			return cost, err
		}
		took[i] = time.Since(start)
	}
	median := report.Median(took)
	return syncCost{Fdatasync: median, CommitFloor: 2 * median}, nil
}
