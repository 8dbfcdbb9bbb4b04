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

// run does the work that cfg asks for, prints the report to w, and saves it.
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

// limitMemory keeps the heap within 70 % of the memory, to leave some for the page
// cache. Without it, twice the live heap of all peers' 2,000,000 allocations would
// take all of the memory.
func limitMemory(m machine.Machine) {
	if m.MemoryBytes > 0 {
		debug.SetMemoryLimit(m.MemoryBytes / 10 * 7)
	}
}

// measure does all work, then the curves that need stores of their own.
func measure(cfg config) (results []result, notes []string, err error) {
	results, notes, err = inBench(cfg, (*bench).all)
	if err != nil {
		return nil, nil, err
	}
	debug.FreeOSMemory()
	more, about, err := sizeCurves(cfg)
	return append(results, more...), append(notes, about...), err
}

// all does every piece of work. Work that only reads the prepared stores goes first.
func (b *bench) all() error {
	for _, work := range []func() error{
		b.memory,
		func() error { return b.lookup("lookup") },
		b.lists,
		b.getMany,
		b.fromFile,
		func() error { return b.open("open", "heap after open") },
		b.disk,
		func() error { return b.updates("update", b.cfg.writers) },
		b.events,
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
