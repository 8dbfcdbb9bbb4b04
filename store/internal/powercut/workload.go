package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"allocstore/schema"
	"allocstore/store"
)

// storeName is the name of the store's file in its directory.
const storeName = "store.db"

// A workload is a way of using a store. compact, restore, reopen and gaps are numbers of
// rounds: each is done once in so many.
type workload struct {
	name    string
	options store.Options
	rounds  int // of batches; each writer applies one in a round
	writers int
	ids     int // see generator
	largest int
	compact int // at the same time as the round's batches
	restore int // the state of half as many rounds before
	reopen  int
	gaps    int // an index of the caller's, with a gap before it
	catchUp int // with a replica that is ahead; 0 for never. With options.Replicated alone, and one writer
}

// never is a number of rounds that no workload has.
const never = 1 << 20

// workloads are those of the power cuts.
var workloads = []workload{
	{name: "one writer", rounds: 100, writers: 1, ids: idCount, largest: 600, compact: 29, restore: 38, reopen: 23, gaps: 9,
		options: store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10}},
	{name: "groups", rounds: 40, writers: 6, ids: idCount, largest: 300, compact: 17, restore: 26, reopen: 19, gaps: 7,
		options: store.Options{FeedRetention: 20, InitialMmapBytes: 1 << 20}},
	{name: "large values", rounds: 50, writers: 2, ids: idCount / 2, largest: 9000, compact: 13, restore: 30, reopen: 11, gaps: 50,
		options: store.Options{FeedRetention: -1, InitialMmapBytes: 64 << 10, ResidentBytes: 4096}},
	{name: "defaults", rounds: 60, writers: 2, ids: idCount / 4, largest: 600, compact: 31, restore: 40, reopen: 29, gaps: 50},
	{name: "replica", rounds: 60, writers: 1, ids: idCount, largest: 600, compact: 23, restore: never, reopen: 17, gaps: 5, catchUp: 7,
		options: store.Options{Replicated: true, FeedRetention: -1, InitialMmapBytes: 32 << 10}},
}

// ext4Workload is the one for a real file system.
var ext4Workload = workload{
	name: "ext4", rounds: 24, writers: 1, ids: 8, largest: 600, compact: 7, restore: 18, reopen: 11, gaps: 9,
	options: store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10},
}

// A recording is the log of a workload, and the states of its store.
type recording struct {
	Record
	*history
}

// A run is a workload under way.
type run struct {
	workload
	*history
	*generator
	disk  *disk
	path  string
	s     *store.Store
	saved *saved // nil before the first
}

// A saved store is its backup, and its state then.
type saved struct {
	stream  []byte
	content content
	current map[string]*schema.Allocation
}

// newRun prepares a workload in a new directory.
func newRun(d *disk, w workload, seed uint64) (*run, error) {
	dir, err := d.newDir()
	if err != nil {
		return nil, err
	}
	return runAt(d, filepath.Join(dir, storeName), w, seed), nil
}

func runAt(d *disk, path string, w workload, seed uint64) *run {
	return &run{workload: w, history: newHistory(), generator: newGenerator(seed, w), disk: d, path: path}
}

// perform runs a workload on the disk and returns its recording. No operation may fail.
func perform(d *disk, w workload, seed uint64) (*recording, error) {
	r, err := newRun(d, w, seed)
	if err == nil {
		err = d.begin(Fault{})
	}
	if err != nil {
		return nil, err
	}
	return r.perform()
}

// perform runs the workload from beginning to end.
func (r *run) perform() (*recording, error) {
	err := r.open()
	if err == nil {
		err = errors.Join(r.play(), r.s.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("workload %q: %w", r.name, err)
	}
	record, err := r.disk.recorded()
	return &recording{record, r.history}, err
}

// open opens the store, and notes its index, which Close has made durable.
func (r *run) open() (err error) {
	if r.s, err = store.Open(r.path, &r.options); err != nil {
		return err
	}
	if r.s.AppliedIndex() != r.applied {
		return fmt.Errorf("opened at the applied index %d, should be at %d", r.s.AppliedIndex(), r.applied)
	}
	return r.disk.note(r.applied)
}

// play runs all rounds.
func (r *run) play() error {
	for round := 1; round <= r.rounds; round++ {
		compacted := make(chan error, 1)
		if round%r.compact == 0 {
			go func(s *store.Store) { compacted <- s.Compact(context.Background()) }(r.s)
		} else {
			compacted <- nil
		}
		err := r.round(round)
		if err == nil {
			err = r.states[r.last].sameDigest(r.s, r.last)
		}
		if err = errors.Join(err, <-compacted); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round%r.restore == r.restore/2 {
			if err = r.save(); err == nil {
				err = r.disk.note(r.applied) // which the backup has made durable
			}
		} else if round%r.restore == 0 {
			err = r.restoreSaved()
		}
		if err == nil && r.catchUp > 0 && round%r.catchUp == 0 {
			err = r.goAhead()
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if round%r.reopen == 0 {
			if err := errors.Join(r.nothing(), r.s.Close(), r.open()); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
	}
	return nil
}

// nothing applies an entry without a batch, whose index no transaction has yet.
func (r *run) nothing() error {
	_, err := r.s.ApplyEntries(context.Background(), []store.Entry{{Index: r.applied + 1}})
	if err == nil {
		r.give(r.applied+1, nil)
	}
	return err
}

// save makes a backup.
func (r *run) save() error {
	if err := r.nothing(); err != nil {
		return err
	}
	var b bytes.Buffer
	_, err := r.s.Backup(context.Background(), &b)
	r.saved = &saved{b.Bytes(), r.states[r.last].content, r.current}
	return err
}

// restoreSaved restores the backup.
func (r *run) restoreSaved() error {
	if err := r.s.Restore(context.Background(), bytes.NewReader(r.saved.stream)); err != nil {
		return err
	}
	r.revert(r.saved)
	return r.disk.note(r.last)
}

// round applies one batch of each writer, all at the same time.
func (r *run) round(round int) error {
	if r.writers == 1 || round%r.gaps == 0 {
		return r.one(round%r.gaps == 0)
	}
	type write struct {
		steps []step
		index uint64
		err   error
	}
	writes := make([]write, r.writers)
	for i := range writes {
		writes[i].steps = r.generator.steps(true)
	}
	seen := r.noteSeen()
	var wg sync.WaitGroup
	for i := range writes {
		wg.Go(func() {
			w := &writes[i]
			applied, err := r.s.Apply(context.Background(), batchOf(w.steps))
			if w.index, w.err = applied.Index, err; err == nil {
				w.err = r.disk.note(w.index)
			}
		})
	}
	wg.Wait()
	if err := seen(); err != nil {
		return err
	}
	slices.SortFunc(writes, func(a, b write) int { return int(a.index) - int(b.index) })
	for _, w := range writes {
		if w.err != nil {
			return w.err
		}
		if w.index != r.applied+1 || !r.apply(w.index, w.steps) {
			return fmt.Errorf("a batch with a change was given index %d after %d", w.index, r.applied)
		}
	}
	return nil
}

// noteSeen notes every index that a reader sees, until stop is called. Like an acknowledged
// index, an index that a reader has seen must be on the disk.
func (r *run) noteSeen() (stop func() error) {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for last := r.last; ; {
			if index := r.s.LastIndex(); index > last {
				last = index
				if err := r.disk.note(index); err != nil {
					ended <- err
					return
				}
			}
			select {
			case <-done:
				ended <- nil
				return
			default:
				runtime.Gosched()
			}
		}
	}()
	return func() error {
		close(done)
		return <-ended
	}
}

// one applies a single batch: at the next index, or with gap, and in a replica, at one up to 4
// later, by ApplyAt or among other entries.
func (r *run) one(gap bool) error {
	steps := r.generator.steps(gap || r.options.Replicated)
	want := r.applied + 1
	if gap || r.options.Replicated {
		want += r.Uint64N(5)
		if r.options.Replicated || r.IntN(3) > 0 {
			return r.entries(want, steps)
		}
		applied, err := r.s.ApplyAt(context.Background(), want, batchOf(steps))
		if err != nil {
			return err
		}
		r.give(want, steps)
		return r.noteApplied(applied.Index, r.last)
	}
	applied, err := r.s.Apply(context.Background(), batchOf(steps))
	if err != nil {
		return err
	}
	r.apply(want, steps)
	return r.noteApplied(applied.Index, r.last)
}

// noteApplied notes the index of a batch, which should be another one otherwise.
func (r *run) noteApplied(index, want uint64) error {
	if index != want {
		return fmt.Errorf("a batch was given index %d, should be %d", index, want)
	}
	return r.disk.note(index)
}

// entries applies a batch with a change between an entry that was applied before and, often, one
// without a batch. The same transaction makes its index durable. Sometimes another one without a
// change follows, which no transaction has yet.
func (r *run) entries(want uint64, steps []step) error {
	all := []store.Entry{{Index: want, Batch: batchOf(steps)}}
	if r.applied > 1 {
		all = slices.Insert(all, 0, store.Entry{Index: r.applied})
	}
	last := want
	if r.IntN(3) > 0 {
		last += 1 + r.Uint64N(2)
		all = append(all, store.Entry{Index: last})
	}
	results, err := r.s.ApplyEntries(context.Background(), all)
	if err != nil {
		return err
	}
	r.give(want, steps)
	if last > want {
		r.give(last, nil)
	}
	if err := r.noteApplied(results[len(results)-1].Index, want); err != nil {
		return err
	}
	if err := r.disk.note(last); err != nil || r.IntN(2) == 0 {
		return err
	}
	return r.nothing()
}

// batchOf returns the steps as a batch.
func batchOf(steps []step) *store.Batch {
	b := new(store.Batch)
	for _, s := range steps {
		s.op(b)
	}
	return b
}
