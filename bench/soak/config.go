package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	length, every, hold       time.Duration
	allocs, writers           int
	seed                      uint64
	sample, dir, out, command string
	json                      bool
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (config, error) {
	c := config{command: strings.Join(append([]string{"go run ./bench/soak"}, args...), " ")}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	minutes := flags.Float64("minutes", 10, "length of each of the two runs")
	flags.IntVar(&c.allocs, "allocs", 300_000, "allocations to place")
	flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
	flags.DurationVar(&c.every, "every", 2*time.Second, "time between two samples")
	flags.DurationVar(&c.hold, "hold", 5*time.Second, "how long snapshots are held by the one who holds them")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of IDs and choices")
	flags.StringVar(&c.sample, "sample", "testdata/allocation.json", "the documented allocation")
	flags.StringVar(&c.dir, "dir", "", "directory for the throw-away files (default the system's temporary one)")
	flags.StringVar(&c.out, "out", "", "directory to write soak.txt and soak.json to")
	flags.BoolVar(&c.json, "json", false, "print the report as JSON")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.length = time.Duration(*minutes * float64(time.Minute))
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.writers < 1 || c.allocs < c.writers || c.every <= 0 || c.length < c.every || c.hold < 0 {
		return c, fmt.Errorf("-minutes %g -allocs %d -writers %d -every %v -hold %v: want a writer, no more writers than allocations, a sample",
			*minutes, c.allocs, c.writers, c.every, c.hold)
	}
	return c, nil
}
