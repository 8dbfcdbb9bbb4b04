package store_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// An operation is a batch and the result that the model expects.
type operation struct {
	steps   []step
	at      uint64 // of ApplyAt, or of an entry; 0: Apply
	entry   bool   // ApplyEntries, with no batch if there are no steps
	want    store.Applied
	refusal error
	last    uint64 // LastIndex afterwards
	applied uint64 // AppliedIndex afterwards
	digest  uint64 // Digest afterwards
}

// operations makes n random operations. Half of them have an index of the caller's, with gaps between
// the indexes, or one that is too low. Entries come in rows.
func operations(t *testing.T, d dice, m *model, n int) []operation {
	log := make([]operation, n)
	for i := range log {
		e := &log[i]
		e.steps, e.entry = d.steps(m), i > 0 && log[i-1].entry && d.IntN(4) > 0
		next := m.applied + 1 + d.Uint64N(1+d.Uint64N(1000))
		switch k := d.IntN(12); {
		case e.entry, k < 1:
			if e.entry, e.at = true, next; d.IntN(8) == 0 {
				e.steps = nil
			}
			r := m.applyEntry(e.at, e.steps)
			e.want, e.refusal = r.Applied, r.Err
		case k < 2:
			e.at, e.refusal = 1+d.Uint64N(m.applied), store.ErrIndexRegression
		case k < 6:
			e.at = next
			e.want, e.refusal = m.applyAt(e.at, e.steps)
		default:
			e.want, e.refusal = m.apply(e.steps)
		}
		e.last, e.applied, e.digest = m.last, m.applied, digestOf(t, m.current)
	}
	return log
}

// settings are the options that the operations run with. The results must be the same with all
// of them.
var settings = []*store.Options{
	nil,
	{ResidentBytes: 1},
	{FeedRetention: -1},
	{InitialMmapBytes: 1},
	{ResidentBytes: 1, FeedRetention: -1, InitialMmapBytes: 1},
}

// A runner applies operations to a store. In between, it compacts the store and opens it again,
// with other settings. A reader follows the feed from 0 on, another one a list from the last index
// on.
type runner struct {
	dice
	t    *testing.T
	path string
	opts *store.Options
	s    *store.Store

	content map[string]*schema.Allocation // replayed from the feed
	fed     uint64                        // the feed was replayed up to this index
	indexes chan uint64                   // has the latest fed
	stop    func()                        // ends the feed

	m    *model // after all operations
	list followedList
}

// A followedList is a list that a reader follows, resumed after each restart.
type followedList struct {
	modelList
	after   uint64 // the stream began after this index
	changes chan store.ListChange
	got     []store.ListChange
	stop    func()
}

// TestMetamorphic runs the same operations with all settings, compacted and opened again at
// random. All stores, and the replayed feeds, must end with the same content.
func TestMetamorphic(t *testing.T) {
	t.Parallel()
	forSeeds(t, 2, func(t *testing.T, seed uint64) {
		m := newModel()
		log := operations(t, dice{rand.New(rand.NewPCG(seed, 0))}, m, 300)
		for n, opts := range settings {
			r := &runner{
				dice: dice{rand.New(rand.NewPCG(seed, uint64(n)+1))}, t: t, opts: opts,
				path: tempPath(t, "test.db"), content: make(map[string]*schema.Allocation), m: m,
			}
			r.list.modelList = r.dice.list()
			r.run(log)
			r.end(m)
		}
	})
}

// open opens the store and resumes the feed. It waits until the feed is registered, or
// compaction could remove the next changes.
func (r *runner) open() {
	r.s = open(r.t, r.path, r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.indexes = make(chan uint64, 1)
	r.indexes <- r.fed
	r.stop = func() { cancel(); <-done }
	s, indexes := r.s, r.indexes
	go func() {
		defer close(done)
		for ch, err := range s.Changes(ctx, r.fed) {
			if err != nil {
				if ctx.Err() == nil {
					r.t.Errorf("after %d: %v", r.fed, err)
					close(indexes)
				}
				return
			}
			if r.content[ch.ID] = ch.Alloc; ch.Alloc == nil {
				delete(r.content, ch.ID)
			}
			if ch.Last {
				r.fed = ch.Index
				select {
				case <-indexes:
				default:
				}
				indexes <- ch.Index
			}
		}
	}()
	r.follow()
	for s.Stats().Readers < 2 && !r.t.Failed() {
		time.Sleep(50 * time.Microsecond)
	}
}

// follow follows the list from the last index on.
func (r *runner) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	l := &r.list
	l.after, l.changes, l.got = r.s.LastIndex(), make(chan store.ListChange, 1<<16), nil
	done := make(chan struct{})
	l.stop = func() { cancel(); <-done }
	s, t, sel, after, changes := r.s, r.t, l.sel, l.after, l.changes
	go func() {
		defer close(done)
		for ch, err := range s.Follow(ctx, sel, after) {
			if err == nil {
				changes <- ch
			} else if ctx.Err() == nil {
				t.Errorf("Follow of %v after %d: %v", sel, after, err)
				close(changes)
			}
		}
	}()
}

// asOf returns the model as it was at an index.
func (m *model) asOf(index uint64) *model {
	then := *m
	then.last, then.current = index, m.contentAt(index)
	return &then
}

// drainList waits until the list is followed up to the last index, and compares the changes.
func (r *runner) drainList(last uint64) {
	l := &r.list
	want := r.m.asOf(last).follow(&l.modelList, l.after)
	for len(l.got) < len(want) {
		select {
		case ch, ok := <-l.changes:
			require.True(r.t, ok, "the stream has ended")
			l.got = append(l.got, ch)
		case <-time.After(time.Minute):
			require.Fail(r.t, "the stream stalls", "%d of %d changes of %v", len(l.got), len(want), l.sel)
		}
	}
	l.stop()
	require.Empty(r.t, l.changes, "more changes than the list has")
	require.Equal(r.t, want, byIndex(l.got), "%v after %d", l.sel, l.after)
}

// probe compares a random list with the model as of the last operation, whatever this run's
// compaction has forgotten.
func (r *runner) probe(last uint64) {
	then := r.m.asOf(last)
	compareList(r.t, then, r.s, r.dice.list(), r.dice)
}

// drain waits until the feed is replayed up to the last index, and ends the feed.
func (r *runner) drain(last uint64) {
	for index, ok := uint64(0), true; last > 1 && index != last; {
		select {
		case index, ok = <-r.indexes:
			require.True(r.t, ok, "the feed has ended")
		case <-time.After(time.Minute):
			require.Fail(r.t, "the feed stalls", "at %d, the last index is %d", index, last)
		}
	}
	r.stop()
	r.drainList(last)
}

// run applies the operations and compares each result. Entries are applied in groups of any size,
// after some that were applied before.
func (r *runner) run(log []operation) {
	r.open()
	for i, n := 0, 1; i < len(log); i += n {
		e := &log[i]
		n = 1
		if e.entry {
			for max := 1 + r.IntN(12); n < max && i+n < len(log) && log[i+n].entry; n++ {
			}
			r.entries(log[max(0, i-r.IntN(9)):i], log[i:i+n])
			e = &log[i+n-1]
		} else {
			r.apply(e)
		}
		require.Equal(r.t, e.last, r.s.LastIndex())
		require.Equal(r.t, e.applied, r.s.AppliedIndex())
		require.NoError(r.t, r.s.WaitApplied(context.Background(), e.applied))
		requireDigest(r.t, e.last, e.digest, r.s)
		switch r.IntN(30) {
		case 3, 4:
			r.probe(e.last)
		case 0:
			r.reopen(e.last)
			require.Equal(r.t, e.applied, r.s.AppliedIndex(), "Close makes it durable")
		case 1:
			require.NoError(r.t, r.s.Compact(context.Background()))
		case 2:
			require.NoError(r.t, r.s.Sweep(context.Background()))
		}
		requireDigest(r.t, e.last, e.digest, r.s)
	}
}

// apply applies an operation that is no entry.
func (r *runner) apply(e *operation) {
	var got store.Applied
	var err error
	if e.at > 0 {
		got, err = r.s.ApplyAt(context.Background(), e.at, batchOf(e.steps))
	} else {
		got, err = r.s.Apply(context.Background(), batchOf(e.steps))
	}
	requireRefusal(r.t, e.refusal, err)
	require.Equal(r.t, e.want, got, "the result of %v", kinds(e.steps))
}

// entries applies entries in one call. Those of before have been applied, and must be skipped.
func (r *runner) entries(before, now []operation) {
	var entries []store.Entry
	var want []store.Result
	add := func(e *operation, result store.Result) {
		in := store.Entry{Index: e.at}
		if e.steps != nil {
			in.Batch = trip(r.t, batchOf(e.steps))
		}
		entries, want = append(entries, in), append(want, result)
	}
	for i := range before {
		if before[i].entry {
			add(&before[i], store.Result{Skipped: true})
		}
	}
	for i := range now {
		add(&now[i], store.Result{Applied: now[i].want, Err: now[i].refusal})
	}
	got, err := r.s.ApplyEntries(context.Background(), entries)
	require.NoError(r.t, err)
	require.Len(r.t, got, len(want))
	for i := range want {
		requireResult(r.t, want[i], got[i], "entry %d", entries[i].Index)
	}
}

// reopen drains the feed, closes the store and opens it with random settings.
func (r *runner) reopen(last uint64) {
	r.drain(last)
	shut(r.t, r.s)
	r.opts = settings[r.IntN(len(settings))]
	r.open()
}

// end compares the store with the model, the feed with the model, and then both again after the
// store was opened again.
func (r *runner) end(m *model) {
	for range 2 {
		require.Equal(r.t, m.last, r.s.LastIndex())
		requireDigest(r.t, m.last, digestOf(r.t, m.current), r.s)
		requireDigest(r.t, m.last, digestOf(r.t, m.current), restored(r.t, r.s))
		sn, err := r.s.Snapshot()
		require.NoError(r.t, err)
		compareSnapshot(r.t, m, sn, r.dice)
		require.NoError(r.t, sn.Close())
		for id, want := range m.current {
			got, err := r.s.Get(id)
			require.NoError(r.t, err)
			require.Equal(r.t, text(want), text(got))
		}
		compareFeed(r.t, m, r.s, r.s.Stats().Floor)
		r.reopen(m.last)
		require.Equal(r.t, texts(m.current), texts(r.content), "the feed from 0 on")
	}
	r.stop()
	r.list.stop()
}
