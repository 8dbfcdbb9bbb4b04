/*
Soak updates a store at full rate for minutes, once with compaction and once
without, while a feed reader follows and snapshots are opened, read and closed.

	go run ./bench/soak [-minutes n] [-allocs n] [-writers n] [-every d] [-hold d] [-json] [-out dir] ...

# What it does

For each of the two it places -allocs allocations in a store of its own. Then
-writers clients report events, each of allocations of its own in random order,
one allocation an update, for -minutes. Meanwhile

  - a feed reader follows every change, from the last placement on;
  - two goroutines open snapshots, one after the other: one reads and closes them at
    once, one holds them for -hold and reads them again;
  - every -every the rate, the updates' latencies, and the sizes are taken down.

With compaction means the default options; without, that Options.FeedRetention keeps
everything. That file grows by some 300 bytes an update, 15 GB in ten minutes of 90,000
a second.

# What is checked

The feed: every index comes, one after the other, each with the event of its
allocation that follows the one before; at the end it has had exactly what the
writers were acknowledged, at those indexes.

A snapshot: a job's list is whole; every allocation in it is what its client had
sent with one of its events, in every field, at the index that was acknowledged for
that event, which is not above the snapshot's; and the next event of that
allocation was acknowledged above the snapshot's. Allocations of which the writers
do not remember the index any more, since a client has had 64 updates in the
meantime, are counted as not checked.

At the end: the store is opened again, and everything in it is compared.

Whatever differs ends the program with exit status 1. A target that is not met does
not.
*/
package main

import (
	"context"
	"io"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

func main() { program.Main("soak", run) }

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return c.Report(stdout, "soak", func(dir string) (report.Texter, error) {
		return measure(ctx, c, dir, stderr)
	})
}
