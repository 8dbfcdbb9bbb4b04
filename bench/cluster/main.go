package main

import (
	"context"
	"errors"
	"io"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

func main() {
	if isWorker() {
		program.Main("cluster worker", work)
		return
	}
	program.Main("cluster", run)
}

// run does the work that the arguments ask for, and writes the report.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	return cfg.Report(stdout, "cluster", func(dir string) (_ report.Texter, err error) {
		r := &runner{ctx: ctx, cfg: cfg, progress: stderr}
		c, err := newComparison(cfg, dir)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.end()) }()
		if err := r.start(dir, args); err != nil {
			return nil, err
		}
		if err := r.all(); err != nil {
			return nil, err
		}
		c.Results, c.Notes = r.results, r.notes
		return c, c.finish()
	})
}
