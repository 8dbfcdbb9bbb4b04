package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	asked, err := serveIfAsked()
	if !asked {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
}

// execute is main with its environment as arguments.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if reason := whyNoDisk(); reason != "" {
		return errors.New(reason)
	}
	d, err := startDisk()
	if err != nil {
		return err
	}
	r, err := measure(ctx, c, d, stderr)
	if err = errors.Join(err, d.close()); err != nil {
		return err
	}
	return r.write(stdout, c.out)
}
