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
	allocs, small, events, readers int
	writers, batch, wakes, opens   int
	lookups                        int
	nodes, listed, placements      int
	mixed                          time.Duration
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (c config, err error) {
	err = c.Parse("bench/scale", args, stderr, func(flags *flag.FlagSet) {
		flags.IntVar(&c.allocs, "allocs", 2_000_000, "allocations to place")
		flags.IntVar(&c.small, "small", 10_000, "allocations of the store that the rates are compared with")
		flags.IntVar(&c.events, "events", 10, "events of each allocation's task")
		flags.IntVar(&c.readers, "readers", 1_000_000, "blocked readers, each of an allocation of its own")
		flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
		flags.IntVar(&c.batch, "batch", 1, "allocations in an update")
		flags.IntVar(&c.wakes, "wakes", 3000, "readers to wake, one at a time")
		flags.IntVar(&c.opens, "opens", 5, "how often to open the store")
		flags.IntVar(&c.lookups, "lookups", 10_000_000, "lookups of what is in memory")
		flags.IntVar(&c.nodes, "nodes", 10_000, "blocked readers of lists, each of a node of its own")
		flags.IntVar(&c.listed, "listed", 1_000_000, "allocations on these nodes")
		flags.IntVar(&c.placements, "placements", 20, "batches of 1,000 to place on them, which wake readers")
		flags.DurationVar(&c.mixed, "mixed", 10*time.Second, "least length of the mixed load")
		flags.StringVar(&c.Out, "out", "", "directory to write scale.txt and scale.json to")
	})
	if err != nil {
		return c, err
	}
	return c, c.validate()
}

func (c *config) validate() error {
	for name, value := range map[string]int{
		"small": c.small, "events": c.events, "readers": c.readers, "writers": c.writers,
		"batch": c.batch, "wakes": c.wakes, "opens": c.opens, "lookups": c.lookups,
		"nodes": c.nodes, "listed": c.listed, "placements": c.placements,
	} {
		if value < 1 {
			return fmt.Errorf("-%s %d: want 1 or more", name, value)
		}
	}
	if c.allocs < c.readers || c.readers < c.wakes {
		return fmt.Errorf("-allocs %d -readers %d -wakes %d: want no more readers than allocations, and no more to wake than readers",
			c.allocs, c.readers, c.wakes)
	}
	return nil
}
