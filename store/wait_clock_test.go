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

// sleeper waits for one allocation again and again, each time for some time.
type sleeper struct {
	t     *testing.T
	s     *store.Store
	rnd   *rand.Rand
	n     int
	min   uint64
	times map[time.Time]bool // when its allocation changed
}

// follow waits until the time is over, and checks why and when each wait ended.
func (sl *sleeper) follow(over time.Time) {
	for time.Now().Before(over) {
		asked := time.Duration(1 + sl.rnd.Int64N(int64(20*time.Second)))
		ctx, cancel := sl.context()
		began := time.Now()
		r, err := sl.s.Wait(ctx, idOf(sl.n), store.QueryOptions{MinQueryIndex: sl.min, MaxQueryTime: asked})
		took := time.Since(began)
		deadline, limited := ctx.Deadline()
		cancel()
		switch {
		case err != nil:
			if !limited || time.Now() != deadline {
				sl.t.Errorf("%v after %v", err, took)
			}
		case r.Outcome == store.Changed && r.Index > sl.min && sl.times[time.Now()]:
			sl.min = r.Index
		case r.Outcome != store.TimedOut || took < asked || took > asked+asked/16 || r.Index != sl.min:
			sl.t.Errorf("%v at %d, above %d, after %v of %v", r.Outcome, r.Index, sl.min, took, asked)
		}
	}
}

// context ends before most of the waits do, now and then.
func (sl *sleeper) context() (context.Context, context.CancelFunc) {
	if sl.rnd.IntN(3) > 0 {
		return context.WithCancel(sl.t.Context())
	}
	return context.WithTimeout(sl.t.Context(), time.Duration(1+sl.rnd.Int64N(int64(10*time.Second))))
}

// TestWaitsEndInTime has many waits run out, end early and begin again, and compares
// each with when it should have ended.
func TestWaitsEndInTime(t *testing.T) {
	const readers, minutes = 300, 3
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	bubble(t, func(t *testing.T, s *store.Store) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		all := make([]*sleeper, readers)
		for i := range all {
			all[i] = &sleeper{t: t, s: s, rnd: rand.New(rand.NewPCG(seed, uint64(i)+1)), n: i, times: make(map[time.Time]bool)}
			all[i].min = upsert(t, s, placed(i))
		}
		var wg sync.WaitGroup
		over := time.Now().Add(minutes * time.Minute)
		for _, sl := range all {
			wg.Go(func() { sl.follow(over) })
		}
		for time.Now().Before(over) {
			time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
			synctest.Wait() // no sleeper reads its times now
			n := rnd.IntN(readers)
			all[n].times[time.Now()] = true
			_, err := s.UpdateFromClient(t.Context(), &schema.Allocation{ID: idOf(n), ClientDescription: time.Now().String()})
			require.NoError(t, err)
		}
		wg.Wait()
	})
}

// TestCloseEndsManyWaits closes a store in which readers are blocked, each with
// another deadline, and finds nothing left that wakes.
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
