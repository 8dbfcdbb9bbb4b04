package store_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A timedWaiter waits for one allocation repeatedly, each time for a random time.
type timedWaiter struct {
	t     *testing.T
	s     *store.Store
	rnd   *rand.Rand
	n     int
	min   uint64
	times map[time.Time]bool // when its allocation changed
}

// follow waits repeatedly until end, and checks the reason and the time of each return.
func (w *timedWaiter) follow(end time.Time) {
	for time.Now().Before(end) {
		asked := time.Duration(1 + w.rnd.Int64N(int64(20*time.Second)))
		ctx, cancel := w.context()
		began := time.Now()
		r, err := w.s.Wait(ctx, idOf(w.n), store.QueryOptions{MinQueryIndex: w.min, MaxQueryTime: asked})
		took := time.Since(began)
		deadline, limited := ctx.Deadline()
		cancel()
		switch {
		case err != nil:
			if !limited || time.Now() != deadline {
				w.t.Errorf("%v after %v", err, took)
			}
		case r.Outcome == store.Changed && r.Index > w.min && w.times[time.Now()]:
			w.min = r.Index
		case r.Outcome != store.TimedOut || took < asked || took > asked+asked/16 || r.Index != w.min:
			w.t.Errorf("%v at %d, above %d, after %v of %v", r.Outcome, r.Index, w.min, took, asked)
		}
	}
}

// context returns a context that may end before the wait does.
func (w *timedWaiter) context() (context.Context, context.CancelFunc) {
	if w.rnd.IntN(3) > 0 {
		return context.WithCancel(w.t.Context())
	}
	return context.WithTimeout(w.t.Context(), time.Duration(1+w.rnd.Int64N(int64(10*time.Second))))
}

// TestWaitsEndInTime runs many waits that return at a change, time out or are canceled, and
// checks the time of each return.
func TestWaitsEndInTime(t *testing.T) {
	const readers, minutes = 300, 3
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	bubble(t, func(t *testing.T, s *store.Store) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		all := make([]*timedWaiter, readers)
		for i := range all {
			all[i] = &timedWaiter{t: t, s: s, rnd: rand.New(rand.NewPCG(seed, uint64(i)+1)), n: i, times: make(map[time.Time]bool)}
			all[i].min = upsert(t, s, placed(i))
		}
		var wg sync.WaitGroup
		end := time.Now().Add(minutes * time.Minute)
		for _, w := range all {
			wg.Go(func() { w.follow(end) })
		}
		for time.Now().Before(end) {
			time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
			synctest.Wait() // all waiters are blocked and do not read their times
			n := rnd.IntN(readers)
			all[n].times[time.Now()] = true
			updateClient(t, s, &schema.Allocation{ID: idOf(n), ClientDescription: time.Now().String()})
		}
		wg.Wait()
	})
}

// TestCloseEndsManyWaits closes a store under many waits with different deadlines. All return at
// once.
func TestCloseEndsManyWaits(t *testing.T) {
	const readers = 5000
	bubble(t, func(t *testing.T, s *store.Store) {
		index := upsert(t, s, placed(1))
		all := make([]*waiting, readers)
		for i := range all {
			ids := []string{idOf(1 + i%1000), idOf(2 + i%7)}
			opts := store.QueryOptions{MinQueryIndex: index, MaxQueryTime: time.Duration(i+1) * time.Second}
			all[i] = wait(t.Context(), s, opts, ids[:1+i%2]...)
		}
		synctest.Wait()
		require.Equal(t, readers, s.Stats().Waiters)
		shut(t, s)
		for _, w := range all {
			<-w.done
			require.ErrorIs(t, w.err, store.ErrClosed)
			require.Zero(t, w.took)
		}
	})
}
