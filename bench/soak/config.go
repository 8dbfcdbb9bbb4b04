package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"allocstore/bench/internal/program"
)

// config holds the values of the flags.
type config struct {
	program.Flags
	length, every, hold time.Duration
	allocs, writers     int
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (c config, err error) {
	var minutes float64
	err = c.Parse("bench/soak", args, stderr, func(flags *flag.FlagSet) {
		flags.Float64Var(&minutes, "minutes", 10, "length of each of the two runs")
		flags.IntVar(&c.allocs, "allocs", 300_000, "allocations to place")
		flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
		flags.DurationVar(&c.every, "every", 2*time.Second, "time between two samples")
		flags.DurationVar(&c.hold, "hold", 5*time.Second, "time that held snapshots stay open")
		flags.StringVar(&c.Out, "out", "", "directory to write soak.txt and soak.json to")
	})
	if err != nil {
		return c, err
	}
	c.length = time.Duration(minutes * float64(time.Minute))
	if c.writers < 1 || c.allocs < c.writers || c.every <= 0 || c.length < c.every || c.hold < 0 {
		return c, fmt.Errorf("-minutes %g -allocs %d -writers %d -every %v -hold %v: want a writer, no more writers than allocations, a sample",
			minutes, c.allocs, c.writers, c.every, c.hold)
	}
	return c, nil
}
