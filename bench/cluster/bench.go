package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

// Kinds of work. The name of a piece of work begins with its kind.
const (
	writeWork    = "write"
	readWork     = "read"
	failoverWork = "failover"
	awayWork     = "away"
	restartWork  = "restart"
	installWork  = "install"
)

// bench is one worker with its system.
type bench struct {
	ctx     context.Context
	cfg     *config
	name    string
	dir     string
	subject *subject // nil: not open
	profile *os.File
}

func newBench(ctx context.Context, cfg *config, name, dir string) (*bench, error) {
	limitMemory(machine.Describe(os.TempDir()).MemoryBytes)
	return &bench{ctx: ctx, cfg: cfg, name: name, dir: dir}, os.MkdirAll(dir, 0o777)
}

// open opens the cluster and fills it.
func (b *bench) open() (sample, error) {
	f, err := fleet.New(b.cfg.Sample, b.cfg.n, b.cfg.Seed)
	if err != nil {
		return sample{}, err
	}
	s, err := openSystem(b.name, settings{dir: filepath.Join(b.dir, "cluster"), nodes: members, trailing: true})
	if err != nil {
		return sample{}, err
	}
	b.subject = newSubject(b.name, s, f)
	began := time.Now()
	err = fill(b.ctx, s, f)
	return sample{Took: time.Since(began)}, err
}

// close closes the cluster, if it is open, and removes its files.
func (b *bench) close() (err error) {
	if b.profile != nil {
		err = b.toggleProfile()
	}
	if b.subject != nil {
		err = errors.Join(err, b.subject.close(), os.RemoveAll(filepath.Join(b.dir, "cluster")))
		b.subject = nil
	}
	return err
}

// toggleProfile begins the CPU profile, or ends it.
func (b *bench) toggleProfile() (err error) {
	if b.profile != nil {
		pprof.StopCPUProfile()
		f := b.profile
		b.profile = nil
		return f.Close()
	}
	if b.profile, err = os.Create(b.cfg.profile + "." + b.name); err != nil {
		return err
	}
	return pprof.StartCPUProfile(b.profile)
}

// closedLoop runs workers that each repeat op until d has passed, and measures each call.
func closedLoop(workers int, d time.Duration, op func(worker int) error) (sample, error) {
	histograms := make([]report.Histogram, workers)
	start := time.Now()
	err := program.Parallel(workers, func(w int) error {
		return repeat(&histograms[w], start.Add(d), func() error { return op(w) })
	})
	elapsed := time.Since(start)
	all := report.Merged(histograms)
	return sample{Rate: float64(all.Len()) / elapsed.Seconds(), P50: all.Quantile(.5), P99: all.Quantile(.99)}, err
}

// repeat calls op until end, at least once, and records each duration.
func repeat(h *report.Histogram, end time.Time, op func() error) error {
	for start := time.Now(); ; {
		if err := op(); err != nil {
			return err
		}
		now := time.Now()
		h.Record(now.Sub(start))
		if now.After(end) {
			return nil
		}
		start = now
	}
}
