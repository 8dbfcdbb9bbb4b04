/*
Scale is the two-million-container challenge in one process: two million
allocations placed, ten durable events of each, a million blocked readers, and all
of it read back from the file.

	go run ./bench/scale [-allocs n] [-events n] [-readers n] [-writers n] [-batch n] [-json] [-out dir] ...

# What it does

First, with -small allocations in a store of their own, what is compared at the
end: placing, updates, and lookups. Then, with -allocs:

 1. Places them in batches of 1,000, one job each, on 5,000 nodes.
 2. Has -writers clients report -events events of each, one allocation an update
    (-batch, if several), each with all that the client knows of the task. All
    allocations have their first event before any has its second.
 3. Reads each once, and then at random, from two goroutines.
 4. Reads and updates at once, two goroutines and 64, until garbage was collected
    twice: the share of the processors' time that this takes.
 5. Blocks -readers readers, each on an allocation of its own, and measures what
    one takes. Wakes -wakes of them, each by an update of its allocation, and
    updates as many that no reader waits on. Ends the others by their context.
 6. Closes and opens the store -opens times. Reads some allocations from the file,
    then checks all of them, and what lists and counts say.
 7. Opens it with a bound on what is resident, an eighth of all, and reads as many
    at random as there are.
 8. Compacts it, opens that, and checks all of them again.

Whatever differs from what was acknowledged, or from what was written, ends the
program with exit status 1: an allocation's fields, its insert's index, its last
change's, the ten latest events and what the task's state says of the earlier
ones; the last index, which is one more than the number of batches; a reader that
woke for another's change, or did not wake. A target that is not met does not; the
targets are those of the design, for the sizes that are the flags' defaults.

# What it measures

The store has its default options, and the machine's memory is shared with what
makes the data, which keeps 12 bytes an allocation and makes the rest anew for
each update; "making it" says how long that takes. A
lookup is Get alone, and does not touch what it returns. The memory of a phase is
the process's own; pages of the store's file that the system keeps mapped are in
the peak only. The share of garbage collection is that of the processors' busy
time, between the last collection before the phase and the last one in it.
*/
package main

import (
	"context"
	"io"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

func main() { program.Main("scale", run) }

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return c.Report(stdout, "scale", func(dir string) (report.Texter, error) {
		return measure(ctx, c, dir, stderr)
	})
}
