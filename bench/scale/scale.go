package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// A trial takes one store through the phases, and holds the expected state.
type trial struct {
	config
	*fleet.Fleet
	*report.Report
	progress io.Writer
	path     string
	s        *store.Store
	before   int64 // heap before the store was first opened

	// The acknowledged state: created by job, the others by allocation. At any time one
	// goroutine writes the entries of an allocation.
	created, last []uint64
	sent          []uint32
	batches       atomic.Uint64 // batches that changed the store
}

func newTrial(c config, path string, r *report.Report, progress io.Writer) (*trial, error) {
	f, err := fleet.New(c.Sample, c.allocs, c.Seed)
	if err != nil {
		return nil, err
	}
	return &trial{
		config: c, Fleet: f, Report: r, progress: progress, path: path,
		created: make([]uint64, f.Jobs()), last: make([]uint64, f.Len()), sent: make([]uint32, f.Len()),
	}, nil
}

// measure runs the whole program in dir.
func measure(ctx context.Context, c config, dir string, progress io.Writer) (*report.Report, error) {
	r := report.New(c.Command, dir)
	began, watch := time.Now(), machine.NewWatch(500*time.Millisecond)
	defer watch.Stop()
	base, err := smallRates(ctx, c, filepath.Join(dir, "small.db"), progress)
	if err != nil {
		return nil, err
	}
	machine.Release()
	if err := measureLists(ctx, c, dir, r, progress); err != nil {
		return nil, err
	}
	machine.Release()
	t, err := newTrial(c, filepath.Join(dir, "scale.db"), r, progress)
	if err == nil {
		err = t.all(ctx)
	}
	if err != nil {
		return nil, err
	}
	t.compareRates(base)
	t.AtMost("peak of the process's memory, mapped pages of the file included", float64(machine.ResidentNow().Peak)/1e9, "GB", 24*1.073741824)
	t.Record("peak of the process's own memory", float64(watch.Stop())/1e9, "GB")
	t.Record("in all", time.Since(began).Seconds(), "s")
	return r, nil
}

// all runs all phases.
func (t *trial) all(ctx context.Context) error {
	t.before, _ = machine.InUse()
	if err := t.open(); err != nil {
		return err
	}
	err := t.phases(ctx, t.place, t.openPlaced, t.update, t.readOnce, t.resident, t.lookUp, t.mixedLoad, t.park,
		t.fileSize, t.openUpdated, t.fromFile, t.verify, t.checkLists, t.bounded, t.compact, t.verify)
	return errors.Join(err, t.close())
}

// phases runs the given phases until one fails.
func (t *trial) phases(ctx context.Context, phases ...func(context.Context) error) error {
	for _, phase := range phases {
		if err := errors.Join(ctx.Err(), phase(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// open opens the store with default options.
func (t *trial) open() (err error) {
	t.s, err = store.Open(t.path, nil)
	return err
}

// close closes the store if it is open, and releases it for the garbage collector.
func (t *trial) close() error {
	if t.s == nil {
		return nil
	}
	err := t.s.Close()
	t.s = nil
	return err
}

// truth returns the expected state of allocation i.
func (t *trial) truth(i int) fleet.Truth {
	return fleet.Truth{Created: t.created[i/fleet.PerJob], Modified: t.last[i], Events: int(t.sent[i])}
}

// fileSize reports the size of the file and its live and dead bytes.
func (t *trial) fileSize(context.Context) error {
	s := t.s.Stats()
	t.Record("file", float64(s.FileBytes)/1e9, "GB")
	t.Record("of it live", float64(s.LiveBytes)/1e9, "GB")
	t.Record("of it dead", float64(s.DeadBytes)/1e9, "GB")
	t.AtMost("file, of the live bytes", float64(s.FileBytes)/float64(s.LiveBytes), "x", 3)
	t.Record("passes of compaction", float64(s.Passes), "")
	t.Record("updates in a commit, on average", float64(s.Batches)/float64(s.Commits), "")
	return nil
}

// rates are the rates that are compared between a small store and a large one.
type rates struct{ updates, lookups float64 }

func (t *trial) rates() rates {
	return rates{t.Phase("update").Rate(), t.Phase("get, resident").Rate()}
}

// smallRates runs the compared phases on a small store, which takes a second or two.
func smallRates(ctx context.Context, c config, path string, progress io.Writer) (rates, error) {
	c.allocs = c.small
	t, err := newTrial(c, path, new(report.Report), progress)
	if err != nil {
		return rates{}, err
	}
	if err := t.open(); err != nil {
		return rates{}, err
	}
	fmt.Fprintf(progress, "with %d allocations:\n", c.small)
	err = t.phases(ctx, t.place, t.update, t.readOnce, t.lookUp)
	fmt.Fprintf(progress, "with the others:\n")
	return t.rates(), errors.Join(err, t.close())
}

// compareRates compares the rates with those of the small store and of the challenge.
func (t *trial) compareRates(base rates) {
	const challenge = 1500 // containers a second on the challenge's own fleet
	now := t.rates()
	small := fmt.Sprintf(", of that with %d allocations", t.small)
	t.AtLeast("rate of updates"+small, now.updates/base.updates, "x", .5)
	t.AtLeast("rate of lookups"+small, now.lookups/base.lookups, "x", .5)
	t.Record("one read of 128 MB of memory that has to wait for the one before", float64(machine.ReadLatency(128<<20).Nanoseconds()), "ns")
	t.Record("placements a second, of the challenge's 1,500", t.Phase("place").Rate()/challenge, "x")
	t.Record("updates a second, of the challenge's 1,500", now.updates/challenge, "x")
}
