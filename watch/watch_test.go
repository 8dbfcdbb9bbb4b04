package watch_test

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// idOf returns the i-th ID: sequential ones, the worst for a careless hash.
func idOf[T int | uint64](i T) (id watch.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(i))
	return id
}

// registered returns a new waiter that waits on ids above min.
func registered(r *watch.Registry, min uint64, ids ...watch.ID) *watch.Waiter {
	w := watch.NewWaiter()
	register(r, w, min, ids...)
	return w
}

// register registers w for something else than before.
func register(r *watch.Registry, w *watch.Waiter, min uint64, ids ...watch.ID) {
	r.Deregister(w)
	w.Watch(min, ids...)
	r.Register(w)
}

// registerClass registers w for an ID of a class.
func registerClass(r *watch.Registry, w *watch.Waiter, min uint64, c watch.Class, id watch.ID) {
	r.Deregister(w)
	w.WatchClass(min, c, id)
	r.Register(w)
}

// receive waits for the signal of w.
func receive(w *watch.Waiter) watch.Signal {
	<-w.C()
	return *w.Signal()
}

// pending returns the signal that w has received, or the zero Signal.
func pending(w *watch.Waiter) watch.Signal {
	select {
	case <-w.C():
		return *w.Signal()
	default:
		return watch.Signal{}
	}
}

// requireEmpty checks that nothing is left in r.
func requireEmpty(t *testing.T, r *watch.Registry) {
	t.Helper()
	require.Zero(t, r.Len(), "no waiter is registered any more")
	require.Zero(t, r.Entries(), "an ID without waiters leaves no entry behind")
	require.Zero(t, r.Waited(), "no class has waiters any more")
}

func TestKindString(t *testing.T) {
	t.Parallel()
	for k, want := range map[watch.Kind]string{
		watch.Changed: "changed", watch.Restored: "restored", watch.Closed: "closed", watch.Failed: "failed", watch.Expired: "expired",
		0: "kind(0)", 6: "kind(6)", 255: "kind(255)",
	} {
		require.Equal(t, want, k.String())
	}
}

func TestNotifyWakesExactlyItsWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := watch.New()
		var mu sync.Mutex
		got := make(map[string]watch.Signal)
		wait := func(name string, min uint64, id watch.ID) {
			w := registered(r, min, id)
			go func() {
				<-w.C()
				s := w.Signal()
				r.Deregister(w)
				mu.Lock()
				defer mu.Unlock()
				got[name] = *s
			}()
			synctest.Wait()
		}
		wait("low", 4, idOf(1))
		wait("equal", 5, idOf(1))
		wait("future", 9, idOf(1))
		wait("other", 0, idOf(2))

		require.Zero(t, r.Notify(idOf(3), 5), "no waiter waits on it")
		require.Equal(t, 1, r.Notify(idOf(1), 5), "only a min below the index is woken")
		synctest.Wait()
		require.Equal(t, map[string]watch.Signal{"low": {Kind: watch.Changed, ID: idOf(1), Index: 5}}, got)
		require.Equal(t, 3, r.Len(), "a waiter that was not woken stays")

		require.Equal(t, 2, r.Notify(idOf(1), 10))
		require.Equal(t, 1, r.Notify(idOf(2), 1))
		synctest.Wait()
		require.Len(t, got, 4)
		requireEmpty(t, r)
	})
}

func TestWaiterOnSeveralIDsIsWokenOnce(t *testing.T) {
	t.Parallel()
	r := watch.New()
	w := registered(r, 0, idOf(1), idOf(2), idOf(1), idOf(3), idOf(2))
	require.Equal(t, 1, r.Len(), "several IDs, given twice or not, are one waiter")
	require.Equal(t, 1, r.Notify(idOf(2), 7))
	require.Zero(t, r.Len(), "a woken waiter leaves")
	require.Zero(t, r.Notify(idOf(1), 8), "one signal per registration")
	require.Zero(t, r.Broadcast(watch.Signal{Kind: watch.Restored, Index: 9}), "one signal per registration")
	require.Equal(t, watch.Signal{Kind: watch.Changed, ID: idOf(2), Index: 7}, pending(w), "the first signal counts")
	require.Zero(t, pending(w))
	r.Deregister(w)
	requireEmpty(t, r)
}

func TestDeregisterIsIdempotentAndDrains(t *testing.T) {
	t.Parallel()
	r := watch.New()
	w := watch.NewWaiter()
	r.Deregister(w)
	for range 3 {
		register(r, w, 0, idOf(1))
		require.Equal(t, 1, r.Notify(idOf(1), 1))
		r.Deregister(w)
		r.Deregister(w)
		require.Zero(t, pending(w), "a signal that was not received does not reach the next registration")
		register(r, w, 0, idOf(1), idOf(2))
		require.Zero(t, pending(w))
		r.Deregister(w)
		requireEmpty(t, r)
	}
	require.Zero(t, r.Notify(idOf(1), 2), "a waiter that has left is not woken")
}

func TestRegisterAgainReplacesTheRegistration(t *testing.T) {
	t.Parallel()
	r := watch.New()
	w := registered(r, 0, idOf(1), idOf(2))
	register(r, w, 5, idOf(3))
	require.Equal(t, 1, r.Len())
	require.Zero(t, r.Notify(idOf(1), 9), "the old registration is gone")
	require.Zero(t, r.Notify(idOf(3), 5), "the new min counts")
	require.Equal(t, 1, r.Notify(idOf(3), 6))
	r.Deregister(w)
	requireEmpty(t, r)
}

func TestWaiterOnNothingHearsBroadcastsOnly(t *testing.T) {
	t.Parallel()
	r := watch.New()
	w := registered(r, 0)
	require.Equal(t, 1, r.Len())
	require.Zero(t, r.Notify(watch.ID{}, math.MaxUint64), "the zero ID is an ID like all others")
	require.Equal(t, 1, r.Broadcast(watch.Signal{Kind: watch.Restored, Index: 3}))
	require.Equal(t, watch.Restored, pending(w).Kind)
	requireEmpty(t, r)
}

func TestRestoredReachesEveryWaiterOnce(t *testing.T) {
	t.Parallel()
	r := watch.New()
	restored := watch.Signal{Kind: watch.Restored, Index: 8}
	ws := []*watch.Waiter{
		registered(r, 0, idOf(1)), registered(r, 7, idOf(1)), registered(r, math.MaxUint64, idOf(2)), registered(r, 1, idOf(1), idOf(3), idOf(4)),
	}
	require.Equal(t, len(ws), r.Broadcast(restored), "a restore reaches every waiter, whatever its min")
	requireEmpty(t, r)
	for _, w := range ws {
		require.Equal(t, restored, pending(w))
		require.Zero(t, pending(w), "once")
		register(r, w, 8, idOf(1))
	}
	for _, w := range ws {
		require.Zero(t, pending(w), "a restore is not terminal")
	}
	require.Equal(t, len(ws), r.Broadcast(restored), "the next restore reaches every waiter again")
}

func TestTerminalSignals(t *testing.T) {
	t.Parallel()
	closed := watch.Signal{Kind: watch.Closed, Err: errors.New("closed")}
	failed := watch.Signal{Kind: watch.Failed, Err: errors.New("failed")}
	again := watch.Signal{Kind: watch.Failed, Err: errors.New("failed again")}
	restored := watch.Signal{Kind: watch.Restored, Index: 5}
	for name, tc := range map[string]struct {
		sent []watch.Signal
		late watch.Signal // the signal of later registrations
	}{
		"closed stays":              {[]watch.Signal{closed, failed, restored}, closed},
		"failed stays":              {[]watch.Signal{failed, again, restored}, failed},
		"closed after failed":       {[]watch.Signal{failed, closed, again}, closed},
		"restored before is no end": {[]watch.Signal{restored, failed}, failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := watch.New()
			w := registered(r, 0, idOf(1))
			for i, s := range tc.sent {
				woken := r.Broadcast(s)
				if i == 0 {
					require.Equal(t, 1, woken)
					require.Equal(t, s, pending(w), "a registered waiter receives the first signal")
				}
			}
			for _, ids := range [][]watch.ID{{}, {idOf(1)}, {idOf(1), idOf(2)}} {
				late := registered(r, math.MaxUint64, ids...)
				require.Equal(t, tc.late, pending(late), "a registration after the end receives the signal at once")
				requireEmpty(t, r)
				r.Deregister(late)
			}
		})
	}
}

func TestSequentialIDsSpreadOverShards(t *testing.T) {
	t.Parallel()
	for _, step := range []uint64{1, 256, 1 << 32} {
		r := watch.New()
		for i := range 64 << 10 {
			register(r, watch.NewWaiter(), 0, idOf(uint64(i)*step))
		}
		least, most := r.ShardSpread() // 256 on average, the deviation is 16
		require.Greater(t, least, 128, "IDs %d apart leave a shard idle", step)
		require.Less(t, most, 384, "IDs %d apart crowd a shard", step)
	}
}
