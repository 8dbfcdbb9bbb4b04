package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// config has the values of the flags.
type config struct {
	images       int
	node         int
	seed         uint64
	sweep        bool
	ext4, chains int
	out, command string
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (config, error) {
	c := config{command: strings.Join(append([]string{"go -C store/internal/powercut run ."}, args...), " ")}
	flags := flag.NewFlagSet("powercut", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.images, "images", 100_000, "least number of power cuts to try")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of the workloads and of the choice of images")
	flags.BoolVar(&c.sweep, "sweep", true, "fail every step, too")
	flags.IntVar(&c.chains, "chains", 500, "chains of crashes to try")
	flags.IntVar(&c.node, "node", 50_000, "least number of power cuts of whole nodes of a cluster to try")
	flags.IntVar(&c.ext4, "ext4", 2000, "least number of power cuts below an ext4 to try")
	flags.StringVar(&c.out, "out", "", "directory to write powercut.txt and powercut.json to")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.images < 0 || c.node < 0 || c.ext4 < 0 || c.chains < 0 {
		return c, fmt.Errorf("-images %d, -node %d, -ext4 %d, -chains %d: want none or more", c.images, c.node, c.ext4, c.chains)
	}
	return c, nil
}
