package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// An entry of an operation log is a batch with its index, if it is the caller's, and
// what is to become of it.
type entry struct {
	steps   []step
	at      uint64 // 0: Apply
	want    store.Applied
	refusal error
	last    uint64 // afterwards
}

// operations rolls a log, and has the model say what becomes of it. The indexes of
// half of the batches come from elsewhere, with gaps, and some are too low.
func operations(d dice, m *model, n int) []entry {
	log := make([]entry, n)
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

// applyAt is apply at an index above the last one, which is not used up by a batch
// that changes nothing.
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

// ways are the settings that an operation log is run with. None of them may change
// what comes of it.
var ways = []*store.Options{
	nil,
	{ResidentBytes: 1},
	{FeedRetention: -1},
	{InitialMmapBytes: 1},
	{ResidentBytes: 1, FeedRetention: -1, InitialMmapBytes: 1},
}

// A runner runs a log on a store, which it opens again, with other settings perhaps,
// and compacts in between. A reader follows the feed from 0 on.
type runner struct {
	dice
	t    *testing.T
	path string
	opts *store.Options
	s    *store.Store

	content map[string]*schema.Allocation // what the feed made of it
	fed     uint64
	told    chan uint64
	stop    func()
}

// TestMetamorphic runs one operation log in several ways: with all settings, opened
// again and compacted at random, and through the feed. They all end with the same.
func TestMetamorphic(t *testing.T) {
	t.Parallel()
	for range 2 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel()
			log := operations(dice{rand.New(rand.NewPCG(seed, 0))}, m, 300)
			for n, opts := range ways {
				r := &runner{
					dice: dice{rand.New(rand.NewPCG(seed, uint64(n)+1))}, t: t, opts: opts,
					path: filepath.Join(t.TempDir(), "way.db"), content: make(map[string]*schema.Allocation),
				}
				r.run(log)
				r.end(m)
			}
		})
	}
}

// open opens the store and has the feed go on. Nothing may be written before that is
// registered: it could be compacted right away.
func (r *runner) open() {
	r.s = open(r.t, r.path, r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.told = make(chan uint64, 1)
	r.told <- r.fed
	r.stop = func() { cancel(); <-done }
	s, told := r.s, r.told
	go func() {
		defer close(done)
		for ch, err := range s.Changes(ctx, r.fed) {
			if err != nil {
				if ctx.Err() == nil {
					r.t.Errorf("after %d: %v", r.fed, err)
					close(told)
				}
				return
			}
			if r.content[ch.ID] = ch.Alloc; ch.Alloc == nil {
				delete(r.content, ch.ID)
			}
			if ch.Last {
				r.fed = ch.Index
				select {
				case <-told:
				default:
				}
				told <- ch.Index
			}
		}
	}()
	for s.Stats().Readers == 0 && !r.t.Failed() {
		time.Sleep(50 * time.Microsecond)
	}
}

// drain waits until the reader of the feed is there.
func (r *runner) drain(last uint64) {
	for index, ok := uint64(0), true; last > 1 && index != last; {
		select {
		case index, ok = <-r.told:
			require.True(r.t, ok, "the feed has ended")
		case <-time.After(time.Minute):
			require.Fail(r.t, "the feed does not get there", "%d, the last is %d", index, last)
		}
	}
	r.stop()
}

// run applies the log.
func (r *runner) run(log []entry) {
	r.open()
	for _, e := range log {
		var b store.Batch
		for _, s := range e.steps {
			s.add(&b)
		}
		var got store.Applied
		var err error
		if e.at > 0 {
			got, err = r.s.ApplyAt(context.Background(), e.at, &b)
		} else {
			got, err = r.s.Apply(context.Background(), &b)
		}
		require.ErrorIs(r.t, err, e.refusal)
		require.Equal(r.t, e.want, got, "what is answered to %v", kinds(e.steps))
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

// reopen closes the store once the feed has been read, and opens it with the
// settings of some way.
func (r *runner) reopen(last uint64) {
	r.drain(last)
	shut(r.t, r.s)
	r.opts = ways[r.IntN(len(ways))]
	r.open()
}

// end compares what there is with the model, in memory, as the feed made it and as
// it is read anew.
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
