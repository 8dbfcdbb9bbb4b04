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
	allocs, small, events, readers int
	writers, batch, wakes, opens   int
	lookups                        int
	mixed                          time.Duration
	seed                           uint64
	sample, dir, out, command      string
	json                           bool
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (config, error) {
	c := config{command: strings.Join(append([]string{"go run ./bench/scale"}, args...), " ")}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.allocs, "allocs", 2_000_000, "allocations to place")
	flags.IntVar(&c.small, "small", 10_000, "allocations of the store that the rates are compared with")
	flags.IntVar(&c.events, "events", 10, "events of each allocation's task")
	flags.IntVar(&c.readers, "readers", 1_000_000, "blocked readers, each of an allocation of its own")
	flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
	flags.IntVar(&c.batch, "batch", 1, "allocations in an update")
	flags.IntVar(&c.wakes, "wakes", 3000, "readers to wake, one at a time")
	flags.IntVar(&c.opens, "opens", 5, "how often to open the store")
	flags.IntVar(&c.lookups, "lookups", 10_000_000, "lookups of what is in memory")
	flags.DurationVar(&c.mixed, "mixed", 10*time.Second, "least length of the mixed load")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of IDs and choices")
	flags.StringVar(&c.sample, "sample", "testdata/allocation.json", "the documented allocation")
	flags.StringVar(&c.dir, "dir", "", "directory for the throw-away files (default the system's temporary one)")
	flags.StringVar(&c.out, "out", "", "directory to write scale.txt and scale.json to")
	flags.BoolVar(&c.json, "json", false, "print the report as JSON")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, c.validate()
}

func (c *config) validate() error {
	for name, value := range map[string]int{
		"small": c.small, "events": c.events, "readers": c.readers, "writers": c.writers,
		"batch": c.batch, "wakes": c.wakes, "opens": c.opens, "lookups": c.lookups,
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
