// Command peers does the work of an allocation store on allocstore and on what
// people use today, in one run, and prints how they compare.
//
//	go run . [-n 300000] [-rounds 5] [-seconds 1] [-writers 1,16,256,4096] [-herd 100000] [-only regexp] [-json] [-dir DIR]
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
//	        (Pebble has no waits)
//	park    blocked readers: bytes each, and how soon one is awake
//	herd    many blocked readers of one allocation: how soon the last is awake
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
// (but for go-memdb, which has those that allocstore has).
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
// The p50 and p99 of lookups are those of single ones, every 64th, and include
// what the clock costs; the rate is that of all.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	n       int
	rounds  int
	each    time.Duration // of one measurement
	writers []int
	herd    int            // readers on one allocation
	only    *regexp.Regexp // matched with "work/peer"
	dir     string
	profile string
	json    bool
}

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

// parseFlags reads the command line; a bad flag ends the program with its usage.
func parseFlags(args []string) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("peers", flag.ExitOnError)
	flags.IntVar(&cfg.n, "n", 300_000, "allocations that are there already")
	flags.IntVar(&cfg.rounds, "rounds", 5, "rounds; figures are medians over them")
	seconds := flags.Float64("seconds", 1, "length of one measurement")
	writers := flags.String("writers", "1,16,256,4096", "numbers of concurrent writers")
	flags.IntVar(&cfg.herd, "herd", 100_000, "readers on one allocation")
	only := flags.String("only", "", `regexp: run what matches "work/peer", such as writers=256/allocstore`)
	flags.StringVar(&cfg.dir, "dir", os.TempDir(), "where to put a throw-away directory; its disk is what is measured")
	flags.StringVar(&cfg.profile, "cpuprofile", "", "write a CPU profile of the measurements, preparations of the first aside")
	flags.BoolVar(&cfg.json, "json", false, "print JSON")
	flags.Parse(args)

	cfg.each = time.Duration(*seconds * float64(time.Second))
	var err error
	if cfg.only, err = regexp.Compile(*only); err != nil {
		return cfg, err
	}
	if cfg.writers, err = parseWriters(*writers); err != nil {
		return cfg, err
	}
	return cfg, cfg.validate()
}

func parseWriters(list string) (writers []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		w, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || w < 1 {
			return nil, fmt.Errorf("-writers: %q is no number of writers", field)
		}
		writers = append(writers, w)
	}
	return writers, nil
}

func (cfg *config) validate() error {
	most := 1
	for _, w := range cfg.writers {
		most = max(most, w)
	}
	if cfg.n < most || cfg.rounds < 1 || cfg.herd < 1 || cfg.each <= 0 {
		return fmt.Errorf("-n must be at least the number of writers, -rounds and -herd at least 1, -seconds above 0")
	}
	return nil
}

// run does all the work that cfg asks for and prints the results to w.
func run(cfg config, w io.Writer) error {
	results, err := measure(cfg)
	if err != nil {
		return err
	}
	results = grouped(results)
	compare(results)
	if !cfg.json {
		return printTable(w, results)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(results)
}

// measure does the work in a throw-away directory, which it removes. What only
// reads the prepared stores goes before what writes to them.
func measure(cfg config) (results []result, err error) {
	dir, err := os.MkdirTemp(cfg.dir, "peers-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b := newBench(cfg, dir)
	defer func() {
		if e := b.close(); err == nil {
			err = e
		}
	}()
	for _, work := range []func() error{
		b.memory, b.lookup, b.fromFile, b.open, b.disk, b.update, b.mixed, b.place, b.park, b.herd,
	} {
		if err := work(); err != nil {
			return nil, err
		}
	}
	return b.results, nil
}
