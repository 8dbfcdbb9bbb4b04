package watch

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// idIn returns an ID that belongs to sh.
func idIn(r *Registry, sh *shard) (id ID) {
	for i := uint64(0); r.shardOf(&id) != sh; i++ {
		binary.BigEndian.PutUint64(id[:], i)
	}
	return id
}

// TestCloseOvertakesRegister stops a Register just before it links its waiter, and lets a
// terminal broadcast try to pass that list first. The scheduler decides which of the two
// gets the lock, so the test tries often: if it is the broadcast, the waiter hears of the
// end only because Register looks at the terminal signal.
func TestCloseOvertakesRegister(t *testing.T) {
	t.Parallel()
	for range 300 {
		r := New()
		id := idIn(r, &r.shards[0]) // the broadcast's first shard
		w := NewWaiter()
		done := make(chan struct{})
		r.shards[0].mu.Lock()
		go func() {
			defer close(done)
			register(r, w, 0, id)
		}()
		for w.state.Load() != armed {
			runtime.Gosched()
		}
		for range 10 {
			runtime.Gosched()
		}
		r.shards[0].mu.Unlock()
		r.Broadcast(Signal{Kind: Closed})
		<-done
		require.Len(t, w.c, 1, "a waiter that registers while the registry closes is told")
		require.Zero(t, r.Len())
		require.Zero(t, r.Entries())
	}
}

func TestDeregisterWaitsForTheSender(t *testing.T) {
	t.Parallel()
	r, w, id := New(), NewWaiter(), ID{1}
	register(r, w, 0, id)
	require.True(t, w.claim(), "a sender has claimed the waiter and holds its shard")
	sh := r.shardOf(&id)
	sh.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Deregister(w)
	}()
	for range 100 {
		runtime.Gosched()
	}
	require.Equal(t, firing, w.state.Load(), "Deregister does not return while a sender is at work")
	sh.unlinkLocked(&w.first)
	sh.waiting.Add(-1)
	w.send(&Signal{Kind: Changed})
	sh.mu.Unlock()
	<-done
	require.Empty(t, w.c, "nothing arrives after Deregister")
	require.Zero(t, r.Len())
}
