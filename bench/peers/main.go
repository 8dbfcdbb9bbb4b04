// Command peers does the work of an allocation store on allocstore and on what
// people use today, in one run, and prints how they compare.
//
//	go run . [-n 300000] [-rounds 5] [-seconds 1] [-writers 1,16,256,4096] [-herd 100000]
//	         [-curves] [-sizes 10000,100000,1000000,2000000] [-curve-writers 1,4,16,64,256,1024,4096]
//	         [-only regexp] [-json] [-date DATE] [-dir DIR] [-out DIR]
//
// It prints a table of medians with ratios, and after it the figures that the
// design asks for, each met, not met or not run: not at all, or on fewer
// allocations than the design says. -out, which is bench/results if the program
// is run from its own directory, gets the same as peers.txt, with the samples of
// every round and the machine as peers.json, and the curves as SVG.
//
// # Work
//
//	memory  heap bytes of an allocation: inserted, opened, read once, with ten events
//	disk    bytes of an allocation in the file
//	lookup  Get by an ID given as a string, everything in memory, two goroutines
//	file    Get of what is not in memory yet, two goroutines
//	open    Open with a warm page cache
//	update  durable client's updates of single allocations, by concurrent writers
//	place   durable placement, in batches of one job's 1,000 allocations
//	mixed   at once: two goroutines of lookups, 64 writers of updates, and 1,000
//	        blocked readers, on whose allocations half of the updates are
//	        (Pebble has no waits, and its lookups end with the bytes of both parts)
//	park    blocked readers: bytes each, and how soon one is awake
//	herd    many blocked readers of one allocation: how soon the last is awake
//	sustained
//	        bytes of the files while up to 100,000 allocations are updated ten times
//	        each, and of what is live
//	curve   with -curves: updates by the number of writers, and by the number of
//	        allocations lookups, Open, the heap after it, and updates by 256 writers
//
// # Peers
//
//	go-memdb      a UUIDFieldIndex table of pointers; in memory only
//	statedb       a table of pointers by the ID's 16 bytes; in memory only
//	sync.Map      keyed by the ID's string; the bare concurrent map
//	sharded map   256 maps behind RWMutexes, keyed by the ID's string; likewise
//	Pebble        keyed by the ID's 16 bytes, every commit synced; "whole" has the
//	              allocation as one value, so an update reads it and writes all of it
//	Badger        likewise, with SyncWrites, by which it syncs each transaction for
//	              itself; its tables of whole values are mapped, not compressed
//	bbolt         keyed by the ID's 16 bytes; Update, and Batch with its defaults and
//	              with a MaxBatchDelay of 1 ms
//
// Where a peer needs a decision the one in its favour was taken: it stores the
// bytes of allocstore's own codec, a client's update is a blind write of the
// client's part, nobody assigns it an index, and it keeps no secondary indexes
// (but for go-memdb, which has those that allocstore has). For Pebble and Badger
// disk and sustained leave out the write-ahead log.
//
// # Method
//
// All peers of a piece of work take turns, round by round, in rotating order, and
// every figure is the median over the rounds. A warm-up goes first. What was read
// is checked to be what was asked for, and after the updates a sample is checked
// to be what was acknowledged last. Data are of a fixed seed.
//
// Latencies are to the moment at which the reader's own goroutine runs again. A
// reader that is awake before the write's answer counts as awake at once in the
// latency from the answer. A wake is spurious when nothing was written to the
// allocation that the reader waits on; others are, and spurious wakes are counted.
//
// Readers of the mixed load let others run after every 128 lookups, and their rate
// is that of all the time; that of lookup and file is of the median 128.
//
// The p50 and p99 of lookups are those of single ones, every 64th, and include
// what the clock costs; the rate is that of all.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"allocstore/bench/internal/machine"
)

func main() {
	cfg, err := parseFlags(os.Args[1:])
	if err == nil {
		err = run(cfg, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run does all the work that cfg asks for, prints the report to w, and saves it.
func run(cfg config, w io.Writer) error {
	r, err := newComparison(cfg)
	if err != nil {
		return err
	}
	limitMemory(r.Machine.Machine)
	results, notes, err := measure(cfg)
	if err != nil {
		return err
	}
	r.setResults(results, notes)
	return r.write(w, cfg.json, cfg.out)
}

// limitMemory has the collector keep to 70 % of the memory: with all peers' 2,000,000
// allocations there, twice what is in use would be all of it, and none would be left
// for the page cache.
func limitMemory(m machine.Machine) {
	if m.MemoryBytes > 0 {
		debug.SetMemoryLimit(m.MemoryBytes / 10 * 7)
	}
}

// measure does the work, and then the curves that need stores of their own.
func measure(cfg config) (results []result, notes []string, err error) {
	results, notes, err = inBench(cfg, (*bench).all)
	if err != nil {
		return nil, nil, err
	}
	debug.FreeOSMemory()
	more, about, err := sizeCurves(cfg)
	return append(results, more...), append(notes, about...), err
}

// all does every piece of work. What only reads the prepared stores goes before
// what writes to them.
func (b *bench) all() error {
	for _, work := range []func() error{
		b.memory,
		func() error { return b.lookup("lookup") },
		b.fromFile,
		func() error { return b.open("open", "heap after open") },
		b.disk,
		func() error { return b.updates("update", b.cfg.writers) },
		b.writersCurve,
		b.mixed,
		b.place,
		b.park,
		b.herd,
		b.sustained,
	} {
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}
