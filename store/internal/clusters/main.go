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
	"syscall"
	"time"
)

func main() {
	asked, err := serveIfAsked()
	if !asked {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "clusters:", err)
		os.Exit(1)
	}
}

// config has the values of the flags.
type config struct {
	time, part time.Duration
	seed       uint64
	dir, out   string
	verbose    bool
	command    string

	mutant string   // for tests
	only   []string // for tests: the names of the only faults
}

func parse(args []string, stderr io.Writer) (config, error) {
	c := config{command: strings.Join(append([]string{"go -C store/internal/clusters run ."}, args...), " ")}
	flags := flag.NewFlagSet("clusters", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&c.time, "time", time.Hour, "time of the run")
	flags.DurationVar(&c.part, "part", 20*time.Second, "time of the faults of each part")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of the faults and of the clients")
	flags.StringVar(&c.dir, "dir", "", "directory for the nodes; \"\" for a temporary one, which stays if the run fails")
	flags.StringVar(&c.out, "out", "", "directory to write clusters.txt to")
	flags.BoolVar(&c.verbose, "v", false, "print each fault")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.time <= 0 || c.part <= 0 {
		return c, fmt.Errorf("-time %v, -part %v: want more than 0", c.time, c.part)
	}
	return c, nil
}

// execute is main with its environment as arguments.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r, err := run(ctx, c, stderr)
	fmt.Fprint(stdout, r)
	if c.out != "" {
		err = errors.Join(err, r.write(c.out))
	}
	return err
}
