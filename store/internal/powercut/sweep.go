package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"allocstore/store"
)

// sweepWorkload is the workload of the sweep. Its batches are applied one after the other,
// so that each run does the same operations.
var sweepWorkload = workload{
	name: "fail at step n", rounds: 7, writers: 1, ids: 6, largest: 300, compact: 3, restore: 6, reopen: 5, gaps: 5,
	options: store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10},
}

// replicaWorkload is the one for a replica.
var replicaWorkload = workload{
	name: "fail at step n, a replica", rounds: 4, writers: 1, ids: 6, largest: 300, compact: 3, restore: never, reopen: never, gaps: 5, catchUp: 2,
	options: store.Options{Replicated: true, FeedRetention: -1, InitialMmapBytes: 32 << 10},
}

// afterRecovery is the number of batches that a store is given after recovery.
const afterRecovery = 3

// sweepCounts are the results of a sweep.
type sweepCounts struct {
	Runs   int
	Steps  int // operations that could fail
	Silent int // runs with a failure that needs no error
	Images *counts
}

// A sweeper has every step of a workload fail in turn.
type sweeper struct {
	workload
	cutter      // of the operations from the fault on
	short  bool // try two faults a step, different ones in turn, instead of all
}

// faults returns the faults to try at step n.
func (sw *sweeper) faults(n int) []Fault {
	all := []Fault{
		{N: n, Err: syscall.EIO}, {N: n, Err: syscall.ENOSPC, Forever: true},
		{N: n, Err: syscall.ENOSPC}, {N: n, Err: syscall.EIO, Forever: true},
		{N: n, Err: syscall.EFBIG}, {N: n, Err: syscall.EROFS, Forever: true},
	}
	if sw.short {
		return all[n%3*2:][:2]
	}
	return all
}

// String describes the fault.
func (f Fault) String() string {
	if f.Forever {
		return fmt.Sprintf("%v from step %d on", f.Err, f.N)
	}
	return fmt.Sprintf("%v at step %d", f.Err, f.N)
}

// sweep has step after step fail, until no step is left, and cuts the power of the operations
// after each fault.
func (sw *sweeper) sweep(d *disk) (*sweepCounts, error) {
	got := &sweepCounts{Images: new(counts)}
	for n, hit := 1, true; hit; n++ {
		hit = false
		for _, f := range sw.faults(n) {
			t, err := endure(d, sw.workload, sw.seed, f)
			if err != nil {
				return got, fmt.Errorf("%v: %w", f, err)
			}
			got.Runs++
			if t.Failed == 0 {
				continue
			}
			hit, got.Steps = true, n
			if !t.reported {
				got.Silent++
			}
			if err := sw.cutAfter(t, got.Images); err != nil {
				return got, fmt.Errorf("%v: %w", f, err)
			}
		}
	}
	return got, nil
}

// cutAfter cuts the power of a trial from the fault on.
func (sw *sweeper) cutAfter(t *trial, total *counts) error {
	c := sw.cutter
	c.from = slices.IndexFunc(t.Ops, func(op Op) bool { return op.Err != 0 })
	images, err := c.cut(&recording{t.Record, t.history})
	if err != nil {
		return err
	}
	total.add(images)
	return images.fault()
}

// A trial is a run with a fault.
type trial struct {
	*run
	Record
	watched  *watched
	reported bool // the store has returned an error

	// assumeDone adds the failed change, whose outcome is unknown, to the history. It is
	// nil if there is no such change. assumedAt is the index of that change, 0 for the next one.
	assumeDone func()
	assumedAt  uint64
}

// endure runs the workload with the fault, and then recovers without it. Violations are
// errors.
func endure(d *disk, w workload, seed uint64, f Fault) (*trial, error) {
	r, err := newRun(d, w, seed)
	if err != nil {
		return nil, err
	}
	t := &trial{run: r}
	if err := d.begin(f); err != nil {
		return nil, err
	}
	if err := t.play(); err != nil {
		return nil, err
	}
	if t.Record, err = d.recorded(); err != nil {
		return nil, err
	}
	if err := t.checkReported(); err != nil {
		return nil, err
	}
	if err := d.repair(); err != nil {
		return nil, err
	}
	if err := t.recover(); err != nil {
		return nil, fmt.Errorf("on the disk that works again: %w", err)
	}
	t.Record, err = d.recorded()
	return t, err
}

// checkReported returns an error if an operation failed and the store returned no error. Some
// operations may fail silently: removing a name, a link where a rename will do, allocating
// blocks ahead on a full disk, making the file longer there for the applied index of a backup.
func (t *trial) checkReported() error {
	if t.reported {
		if t.Failed == 0 {
			return errors.New("an error was returned, and nothing failed")
		}
		return nil
	}
	for _, op := range t.Ops {
		noRoom := (t.saved != nil || t.catchUp > 0) && op.Kind == OpTruncate && op.Err == syscall.ENOSPC
		if op.Err != 0 && op.Kind != OpUnlink && op.Kind != OpLink && !op.leavesHole() && !noRoom {
			return fmt.Errorf("%v failed, and no error was returned", op.Kind)
		}
	}
	return nil
}

// play runs the workload until the store fails.
func (t *trial) play() error {
	if ok, err := t.start(); !ok {
		return err
	}
	for round := 1; round <= t.rounds; round++ {
		ok, err := t.write(round)
		if ok && round%t.compact == 0 {
			ok, err = t.afterMaintenance(t.s.Compact(context.Background()), nil)
		}
		if ok && err == nil && round%t.restore == t.restore/2 {
			err = t.save()
		}
		if ok && err == nil && round%t.restore == 0 {
			ok, err = t.restoreSaved()
		}
		if ok && err == nil && t.catchUp > 0 && round%t.catchUp == 0 {
			ok, err = t.goAhead()
		}
		if ok && round%t.reopen == 0 {
			if err = t.end(); err == nil {
				ok, err = t.start()
			}
		}
		if !ok || err != nil {
			return err
		}
	}
	return t.end()
}

// start opens the store. ok is false if that fails.
func (t *trial) start() (ok bool, err error) {
	if t.run.s, err = store.Open(t.path, &t.options); err != nil {
		t.reported = true
		return false, nil
	}
	t.watched = watch(t.s)
	if err := t.matches(t.s, t.last); err != nil {
		return false, fmt.Errorf("opened again: %w", err)
	}
	return true, t.disk.note(t.s.AppliedIndex())
}

// end closes a store that has not failed.
func (t *trial) end() error {
	if err := t.s.Close(); err != nil {
		t.reported = true
	}
	return t.watched.ended(store.ErrClosed, store.ErrClosed)
}

// write applies a batch, every other time as an entry before one without a batch.
func (t *trial) write(round int) (ok bool, err error) {
	steps := t.generator.steps(true)
	want, done := t.applied+1, t.applied+1
	var applied store.Applied
	if round%2 == 0 && !t.options.Replicated {
		applied, err = t.s.ApplyAt(context.Background(), want, batchOf(steps))
	} else {
		done++
		var results []store.Result
		results, err = t.s.ApplyEntries(context.Background(), []store.Entry{{Index: want, Batch: batchOf(steps)}, {Index: done}})
		if len(results) > 0 {
			applied = results[0].Applied
		}
	}
	if err == nil {
		if !t.gave(want, done, steps) || applied.Index != want {
			return false, fmt.Errorf("round %d: index %d, should be %d", round, applied.Index, want)
		}
		return true, t.disk.note(done)
	}
	t.reported = true
	if errors.Is(err, store.ErrNoSpace) {
		return false, t.refused()
	}
	t.assumeDone = func() { t.gave(want, done, steps) }
	if !errors.Is(err, store.ErrFailed) {
		return false, fmt.Errorf("round %d: a write that failed returns %w", round, err)
	}
	return false, t.failed()
}

// gave adds a batch with a change to the history, and an entry without one if done is another
// index. Otherwise it returns false.
func (t *trial) gave(want, done uint64, steps []step) bool {
	t.give(want, steps)
	if done > want {
		t.give(done, nil)
	}
	return t.last == want
}

// refused checks a store that has refused a write for lack of room, and closes it. Nothing was
// written, and the store is well, unless compaction meanwhile had room and failed all the same.
func (t *trial) refused() error {
	if err := t.unchanged(); err != nil {
		return fmt.Errorf("after a write without room: %w", err)
	}
	err := t.end()
	if errors.Is(t.s.Err(), store.ErrFailed) {
		return nil
	}
	return err
}

// unchanged returns an error if the store does not have the content and the digest of the last index.
func (t *trial) unchanged() error {
	want := t.states[t.last]
	got, err := contentOf(t.s)
	if err == nil {
		err = want.equal(got)
	}
	if err == nil {
		err = want.sameDigest(t.s, t.last)
	}
	return err
}

// afterMaintenance checks the store after Compact or Restore has returned an error or nil.
// After an error the store is as it was, or failed; then assumeDone is for the case that
// the change was done after all.
func (t *trial) afterMaintenance(returned error, assumeDone func()) (ok bool, err error) {
	if returned == nil {
		return true, nil
	}
	t.reported = true
	if errors.Is(returned, store.ErrFailed) {
		t.assumeDone = assumeDone
		return false, t.failed()
	}
	return true, nil
}

// restoreSaved restores the backup, which ends the waiter and the feed.
func (t *trial) restoreSaved() (ok bool, err error) {
	restored := t.s.Restore(context.Background(), bytes.NewReader(t.saved.stream))
	if restored != nil {
		return t.afterMaintenance(restored, func() { t.revert(t.saved) })
	}
	t.revert(t.saved)
	if err := t.matches(t.s, t.last); err != nil {
		return false, fmt.Errorf("restored: %w", err)
	}
	if err := t.watched.ended(nil, store.ErrCompacted); err != nil {
		return false, err
	}
	t.watched = watch(t.s)
	return true, t.disk.note(t.last)
}

// failed checks a failed store, and closes it.
func (t *trial) failed() error {
	if last := t.s.LastIndex(); last != t.last {
		return fmt.Errorf("failed at index %d, and shows %d", t.last, last)
	}
	err := t.unchanged()
	if err == nil {
		err = lookUp(t.s, t.states[t.last].content)
	}
	if err != nil {
		return fmt.Errorf("reading the failed store: %w", err)
	}
	if t.options.Replicated {
		_, err = t.s.ApplyEntries(context.Background(), []store.Entry{{Index: t.applied + 100}})
	} else {
		_, err = use(t.s)
	}
	if !errors.Is(err, store.ErrFailed) {
		return fmt.Errorf("a write to the failed store returns %w", err)
	}
	if err := t.watched.ended(store.ErrFailed, store.ErrFailed); err != nil {
		return err
	}
	_ = t.s.Close() // its error is that of the failure
	return nil
}

// recover opens the store again, checks that it has every acknowledged batch and no other
// but the one in doubt, and uses it.
func (t *trial) recover() (err error) {
	if t.run.s, err = store.Open(t.path, &t.options); err != nil {
		return err
	}
	if t.assumeDone != nil && t.s.LastIndex() == cmp.Or(t.assumedAt, t.applied+1) {
		t.assumeDone()
	}
	err = t.matches(t.s, t.last)
	if err == nil {
		err = t.disk.note(t.last)
		t.applied = t.s.AppliedIndex()
	}
	for i := 0; i < afterRecovery && err == nil; i++ {
		err = t.one(true)
	}
	return errors.Join(err, t.s.Close())
}

// watched is a waiter and a feed of a store, which must end with it.
type watched struct{ wait, feed chan error }

// watch starts a waiter for an ID that is never written, and a feed.
func watch(s *store.Store) *watched {
	w, last := &watched{make(chan error, 1), make(chan error, 1)}, s.LastIndex()
	go func() {
		_, err := s.Wait(context.Background(), idOf(idCount), store.QueryOptions{MinQueryIndex: last})
		w.wait <- err
	}()
	go func() {
		var end error
		for _, err := range s.Changes(context.Background(), last) {
			end = err
		}
		w.feed <- end
	}()
	for st := s.Stats(); st.Waiters == 0 || st.Readers == 0; st = s.Stats() {
		runtime.Gosched()
	}
	return w
}

// patience bounds the time that a waiter takes to wake.
const patience = 10 * time.Second

// ended returns an error if the waiter or the feed has not ended, or with another error.
func (w *watched) ended(wait, feed error) error {
	for _, one := range []struct {
		name string
		ch   chan error
		want error
	}{{"waiter", w.wait, wait}, {"feed", w.feed, feed}} {
		select {
		case err := <-one.ch:
			if !errors.Is(err, one.want) {
				return fmt.Errorf("the %s ended with %v, should be %v", one.name, err, one.want)
			}
		case <-time.After(patience):
			return fmt.Errorf("the %s was not woken, should be with %v", one.name, one.want)
		}
	}
	return nil
}
