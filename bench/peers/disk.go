package main

import (
	"fmt"
	"time"

	"allocstore/bench/internal/machine"
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
	sync, err := machine.SyncLatency(dir)
	return testMachine{machine.Describe(dir), syncCost{sync, 2 * sync}}, err
}

func (m testMachine) String() string {
	return fmt.Sprintf("%v; fdatasync of 4 KiB %v, two of them %v (%.0f commits/s)",
		m.Machine, m.Sync.Fdatasync, m.Sync.CommitFloor, 1/m.Sync.CommitFloor.Seconds())
}
