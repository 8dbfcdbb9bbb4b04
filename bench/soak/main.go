package main

import (
	"context"
	"io"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

func main() { program.Main("soak", run) }

// run is main with its arguments and outputs passed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return c.Report(stdout, "soak", func(dir string) (report.Texter, error) {
		return measure(ctx, c, dir, stderr)
	})
}
