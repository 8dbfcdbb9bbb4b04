package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"allocstore/bench/internal/report"
)

// config is what the flags say.
type config struct {
	allocs, readers, writers int
	seed                     uint64
	sample, dir, command     string
	json                     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.dir, "allocstore-bench-*")
	if err != nil {
		return err
	}
	r, err := play(ctx, c, dir, newProgress(stderr))
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return err
	}
	return report.Write(stdout, c.json, "", "bench", r)
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (config, error) {
	c := config{command: strings.Join(append([]string{"go run ./bench"}, args...), " ")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.allocs, "allocs", 100_000, "allocations to place")
	flags.IntVar(&c.readers, "readers", 10_000, "blocking readers to park, each on an allocation of its own")
	flags.IntVar(&c.writers, "writers", 256, "concurrent clients")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of IDs and choices")
	flags.StringVar(&c.sample, "sample", "testdata/allocation.json", "the documented allocation")
	flags.StringVar(&c.dir, "dir", "", "directory for the throw-away file (default the system's temporary one)")
	flags.BoolVar(&c.json, "json", false, "print the report as JSON")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.allocs < 10 || c.readers < 0 || c.readers > c.allocs || c.writers < 1 {
		return c, fmt.Errorf("-allocs %d -readers %d -writers %d: want 10 allocations or more, no more readers than that, and a writer",
			c.allocs, c.readers, c.writers)
	}
	return c, nil
}
