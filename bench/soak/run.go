package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// A soaker is one of the two runs, with its store and the expected state.
type soaker struct {
	config
	*fleet.Fleet
	output
	path string
	opts *store.Options
	s    *store.Store

	number  map[string]int // of an allocation, by its ID
	states  []schema.TaskState
	acks    *acks
	from    uint64 // last index after placing
	meters  []meter
	samples []sample

	fail     func(error)   // ends the run with an error
	over     chan struct{} // closed when the time is up
	answered chan struct{} // closed later, when all writers have their answers
	feed     feed
	read     struct{ snapshots, rows, unchecked, fed atomic.Int64 }
}

// soak does one run on a new file and returns its samples.
func soak(ctx context.Context, c config, opts *store.Options, path string, out output) ([]sample, error) {
	s, err := newSoaker(c, opts, path, out)
	if err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	err = s.place(ctx)
	if err == nil {
		err = s.run(ctx)
	}
	if err == nil {
		err = s.reopen(ctx)
	}
	return s.samples, errors.Join(err, s.s.Close())
}

func newSoaker(c config, opts *store.Options, path string, out output) (*soaker, error) {
	f, err := fleet.New(c.Sample, c.allocs, c.Seed)
	if err != nil {
		return nil, err
	}
	s := &soaker{
		config: c, Fleet: f, output: out, path: filepath.Clean(path), opts: opts,
		number: make(map[string]int, c.allocs), states: make([]schema.TaskState, c.allocs),
		acks: newAcks(c.allocs, c.writers), meters: make([]meter, c.writers), over: make(chan struct{}), answered: make(chan struct{}),
	}
	for i := range c.allocs {
		s.number[s.ID(i)] = i
	}
	return s, nil
}

// open opens the store. If that fails, s.s keeps its value.
func (s *soaker) open() error {
	opened, err := store.Open(s.path, s.opts)
	if err == nil {
		s.s = opened
	}
	return err
}

// place inserts all allocations, one job a batch.
func (s *soaker) place(ctx context.Context) error {
	timing := report.Start("place" + s.suffix)
	_, err := s.Place(ctx, s.s, func(job int, index uint64) {
		for i, to := s.JobRange(job); i < to; i++ {
			s.acks.record(i, 0, index)
		}
	})
	s.from = s.s.LastIndex()
	timing.End(s.Report, s.progress, s.Len(), nil)
	return err
}

// run runs writers, the feed reader and snapshots concurrently until the time is up.
func (s *soaker) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.fail = fail
	timing := report.Start("update" + s.suffix)
	var writers, others sync.WaitGroup
	for g := range s.writers {
		writers.Go(func() { s.check(s.write(ctx, g)) })
	}
	following, stopFeed := context.WithCancelCause(ctx)
	defer stopFeed(nil)
	others.Go(func() { s.check(s.follow(following)) })
	others.Go(func() { s.check(s.snapshots(ctx, 0)) })
	others.Go(func() { s.check(s.snapshots(ctx, s.hold)) })
	others.Go(func() { s.sampling(ctx) })
	select {
	case <-time.After(s.length):
	case <-ctx.Done():
	}
	close(s.over)
	writers.Wait()
	close(s.answered)
	s.end(timing)
	s.check(s.caughtUp(ctx))
	stopFeed(errFeedRead)
	others.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	s.reportChecks()
	return s.feed.compare(s.acks)
}

// check ends the run if err is not nil.
func (s *soaker) check(err error) {
	if err != nil {
		s.fail(err)
	}
}

// end ends the phase of updates with the latencies of all writers.
func (s *soaker) end(timing *report.Timing) {
	all := new(report.Histogram)
	for g := range s.meters {
		all.Merge(&s.meters[g].all)
	}
	timing.End(s.Report, s.progress, all.Len(), all)
}

// reportChecks records how many changes, snapshots and allocations were checked.
func (s *soaker) reportChecks() {
	s.Record("changes that the feed reader checked"+s.suffix, float64(s.read.fed.Load()), "")
	s.Record("snapshots read"+s.suffix, float64(s.read.snapshots.Load()), "")
	s.Record("allocations in them that were checked"+s.suffix, float64(s.read.rows.Load()), "")
	s.Record("and that could not be"+s.suffix, float64(s.read.unchecked.Load()), "")
	stats := s.s.Stats()
	s.Record("file at the end"+s.suffix, float64(stats.FileBytes)/1e9, "GB")
}

// reopen closes and opens the store, and compares its content.
func (s *soaker) reopen(ctx context.Context) error {
	if err := s.s.Close(); err != nil {
		return err
	}
	machine.Release()
	timing := report.Start("open" + s.suffix)
	if err := s.open(); err != nil {
		return err
	}
	timing.End(s.Report, s.progress, s.Len(), nil)
	timing = report.Start("get each and check all of it" + s.suffix)
	if err := s.verify(ctx); err != nil {
		return err
	}
	timing.End(s.Report, s.progress, s.Len(), nil)
	return nil
}

// verify compares the whole store with the last acknowledgements.
func (s *soaker) verify(ctx context.Context) error {
	last, count := s.from, s.acks.total()
	if got := s.s.LastIndex(); got != last+count {
		return fmt.Errorf("after opening, the last index is %d; %d updates after %d were acknowledged", got, count, last)
	}
	if got := s.s.Stats().Allocations; got != s.Len() {
		return fmt.Errorf("after opening there are %d allocations, want %d", got, s.Len())
	}
	for i := range s.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		a, err := s.s.Get(s.ID(i))
		if err != nil {
			return err
		}
		n, index := s.acks.last(i)
		if err := s.Check(i, a, fleet.Truth{Created: s.acks.created[i], Modified: index, Events: n}); err != nil {
			return err
		}
	}
	return nil
}
