package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

// config holds the values of the flags.
type config struct {
	program.Flags
	allocs, readers, writers int
	nodes, schedulers        int
}

func main() { program.Main("bench", run) }

// run is main with its arguments and outputs passed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return c.Report(stdout, "bench", func(dir string) (report.Texter, error) {
		return play(ctx, c, dir, newProgress(stderr))
	})
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (c config, err error) {
	err = c.Parse("bench", args, stderr, func(flags *flag.FlagSet) {
		flags.IntVar(&c.allocs, "allocs", 100_000, "allocations to place")
		flags.IntVar(&c.readers, "readers", 10_000, "blocking readers to park, each on an allocation of its own")
		flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
		flags.IntVar(&c.nodes, "nodes", 1000, "nodes with an agent that waits on its list")
		flags.IntVar(&c.schedulers, "schedulers", 8, "concurrent schedulers, which place on these nodes")
	})
	if err != nil {
		return c, err
	}
	if c.allocs < 10 || c.readers < 0 || c.readers > c.allocs || c.writers < 1 {
		return c, fmt.Errorf("-allocs %d -readers %d -writers %d: want 10 allocations or more, no more readers than that, and a writer",
			c.allocs, c.readers, c.writers)
	}
	if c.nodes < 1 || c.schedulers < 1 {
		return c, fmt.Errorf("-nodes %d -schedulers %d: want a node and a scheduler", c.nodes, c.schedulers)
	}
	return c, nil
}
