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
	at      uint64 // of ApplyAt; 0: Apply
	want    store.Applied
	refusal error
	last    uint64 // LastIndex afterwards
}

// operations makes n random operations. Half of them use ApplyAt, with gaps between the
// indexes, or with an index that is too low.
func operations(d dice, m *model, n int) []operation {
	log := make([]operation, n)
	for i := range log {
		e := &log[i]
		for range 1 + d.IntN(1+d.IntN(9)) {
			e.steps = append(e.steps, d.step(m))
		}
		switch d.IntN(10) {
		case 0:
			e.at, e.refusal = 1+d.Uint64N(m.last), store.ErrIndexRegression
		case 1, 2, 3, 4:
			e.at = m.last + 1 + d.Uint64N(1+d.Uint64N(1000))
			e.want, e.refusal = m.applyAt(e.at, e.steps)
		default:
			e.want, e.refusal = m.apply(e.steps)
		}
		e.last = m.last
	}
	return log
}

// applyAt is apply at an index above the last one. A batch that changes nothing leaves the last
// index as it is.
func (m *model) applyAt(at uint64, steps []step) (store.Applied, error) {
	last := m.last
	m.last = at - 1
	applied, err := m.apply(steps)
	if m.last == at-1 {
		m.last = last
	}
	if err == nil {
		applied.Index = m.last
	}
	return applied, err
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
// with other settings. A reader follows the feed from 0 on.
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
}

// TestMetamorphic runs the same operations with all settings, compacted and opened again at
// random. All stores, and the replayed feeds, must end with the same content.
func TestMetamorphic(t *testing.T) {
	t.Parallel()
	forSeeds(t, 2, func(t *testing.T, seed uint64) {
		m := newModel()
		log := operations(dice{rand.New(rand.NewPCG(seed, 0))}, m, 300)
		for n, opts := range settings {
			r := &runner{
				dice: dice{rand.New(rand.NewPCG(seed, uint64(n)+1))}, t: t, opts: opts,
				path: tempPath(t, "test.db"), content: make(map[string]*schema.Allocation),
			}
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
	for s.Stats().Readers == 0 && !r.t.Failed() {
		time.Sleep(50 * time.Microsecond)
	}
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
}

// run applies the operations and compares each result.
func (r *runner) run(log []operation) {
	r.open()
	for _, e := range log {
		var b store.Batch
		for _, s := range e.steps {
			s.write(&b)
		}
		var got store.Applied
		var err error
		if e.at > 0 {
			got, err = r.s.ApplyAt(context.Background(), e.at, &b)
		} else {
			got, err = r.s.Apply(context.Background(), &b)
		}
		requireRefusal(r.t, e.refusal, err)
		require.Equal(r.t, e.want, got, "the result of %v", kinds(e.steps))
		require.Equal(r.t, e.last, r.s.LastIndex())
		switch r.IntN(30) {
		case 0:
			r.reopen(e.last)
		case 1:
			require.NoError(r.t, r.s.Compact(context.Background()))
		case 2:
			require.NoError(r.t, r.s.Sweep(context.Background()))
		}
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
}
