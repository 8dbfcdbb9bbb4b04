package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"allocstore/store"
)

// A memberWorkload is a way of using a node. Each number of rounds says how often something is done.
type memberWorkload struct {
	rounds   int
	largest  int // see generator
	ids      int
	group    int // batches of several callers at the same time
	snapshot int
	reopen   int
	restore  int // an operator's, of the state of half as many rounds before
}

// memberWorkloads are those of the power cuts of a node that votes alone.
var memberWorkloads = []memberWorkload{
	{rounds: 36, largest: 300, ids: idCount, group: 4, snapshot: 5, reopen: 8, restore: never},
	{rounds: 24, largest: 2500, ids: idCount / 3, group: 3, snapshot: 7, reopen: 5, restore: never},
	{rounds: 24, largest: 300, ids: idCount / 2, group: 5, snapshot: 6, reopen: 7, restore: 10},
}

// whileRecorded is the election timeout of a node that is recorded.
const whileRecorded = 20 * time.Millisecond

// A memberRun is a workload of a node under way.
type memberRun struct {
	memberWorkload
	*history
	*generator
	disk  *disk // nil: nothing is noted
	dir   string
	m     *member
	saved *saved
}

func newMemberRun(d *disk, w memberWorkload, seed uint64) (*memberRun, error) {
	dir, err := d.newDir()
	if err != nil {
		return nil, err
	}
	h := newHistory()
	h.inLog = true
	return &memberRun{memberWorkload: w, history: h, generator: newGenerator(seed, workload{ids: w.ids, largest: w.largest}), disk: d, dir: dir}, nil
}

// performMember records a node that votes alone. No operation may fail.
func performMember(d *disk, w memberWorkload, seed uint64) (*recording, error) {
	r, err := newMemberRun(d, w, seed)
	if err == nil {
		err = d.begin(Fault{})
	}
	if err == nil {
		err = r.perform()
	}
	if err != nil {
		return nil, fmt.Errorf("node, seed %d: %w", seed, err)
	}
	record, err := d.recorded()
	return &recording{record, r.history}, err
}

func (r *memberRun) perform() (err error) {
	if r.m, err = openMember(r.dir, alone, whileRecorded); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.m.Close()) }()
	if err := errors.Join(r.m.bootstrap(), r.m.lead()); err != nil {
		return err
	}
	for round := 1; round <= r.rounds; round++ {
		if err := r.round(round); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func (r *memberRun) round(round int) error {
	err := r.write(round%r.group == 0)
	if err == nil && round%3 == 0 {
		err = r.refused()
	}
	if err == nil && round%r.snapshot == 0 {
		err = r.takeSnapshot()
	}
	if err == nil && round%r.restore == r.restore/2 {
		err = r.save()
	}
	if err == nil && round%r.restore == 0 {
		err = r.restoreSaved()
	}
	if err == nil && round%r.reopen == 0 {
		err = r.openAgain()
	}
	return err
}

// write applies a batch, or those of three callers at the same time.
func (r *memberRun) write(group bool) error {
	writes := make([]given, 1)
	if group {
		writes = make([]given, 3)
	}
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	for i := range writes {
		w := &writes[i]
		w.steps = r.steps(true)
		b := batchOf(w.steps)
		wg.Go(func() {
			applied, err := r.m.Apply(context.Background(), b)
			if w.index = applied.Index; err == nil {
				err = r.note(w.index)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	slices.SortFunc(writes, func(a, b given) int { return int(a.index) - int(b.index) })
	for _, w := range writes {
		if w.index > r.last {
			r.give(w.index, w.steps)
		}
	}
	return errors.Join(errs...)
}

// refused applies a batch whose condition fails, and one that changes nothing.
func (r *memberRun) refused() error {
	b := new(store.Batch)
	b.Expect(r.id(), 1<<40)
	b.Upsert(lastAlloc())
	if _, err := r.m.Apply(context.Background(), b); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("a batch whose condition fails: %w", err)
	}
	b = new(store.Batch)
	b.Delete(lastAlloc().ID)
	_, err := r.m.Apply(context.Background(), b)
	return err
}

// takeSnapshot takes a snapshot after entries that changed nothing. The log is cut above the last change then, so that
// the store must have the index by itself.
func (r *memberRun) takeSnapshot() error {
	return errors.Join(r.refused(), r.refused(), r.m.snapshot())
}

// openAgain closes the node and opens it.
func (r *memberRun) openAgain() (err error) {
	if err := r.m.Close(); err != nil {
		return err
	}
	m, err := openMember(r.dir, alone, whileRecorded)
	if err != nil {
		return err
	}
	r.m = m
	return m.lead()
}

// save makes a backup.
func (r *memberRun) save() error {
	var b bytes.Buffer
	_, err := r.m.Store().Backup(context.Background(), &b)
	r.saved = &saved{b.Bytes(), r.states[r.last].content, r.current}
	return err
}

// restoreSaved restores the backup, as an operator does.
func (r *memberRun) restoreSaved() error {
	if err := r.m.Restore(context.Background(), bytes.NewReader(r.saved.stream)); err != nil {
		return err
	}
	return r.restored(r.m.Store().LastIndex())
}

// restored adds the state after a restore.
func (r *memberRun) restored(index uint64) error {
	r.applied = index - 1
	r.revert(r.saved)
	return r.note(index)
}

// note records that an index was acknowledged.
func (r *memberRun) note(index uint64) error {
	if r.disk == nil {
		return nil
	}
	return r.disk.note(index)
}
