package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// A history records the replies to concurrent clients of a store. Every reply carries an index,
// so the replies have an order. After the run, all of them are checked against that order.
type history struct {
	s *store.Store

	mu     sync.Mutex
	writes map[uint64]map[string]string   // by index: the batch's descriptions, by ID
	snaps  map[uint64][]map[string]string // by index: the content of each snapshot
	woken  []store.WaitResult
	feed   []store.Change

	answered []atomic.Uint64 // by allocation: the highest index of an answered write
}

const (
	historyAllocs = 12
	historyWrites = 300
)

// TestConcurrentHistory runs writers, waiters, snapshots, a feed and lookups at once, and then
// checks these rules. Batches are atomic and have one order. A snapshot has all writes up to
// its index. Waits return writes of their own allocation, in order, and always the last one.
// The feed has all writes. A lookup has every write that was answered before it began.
func TestConcurrentHistory(t *testing.T) {
	t.Parallel()
	h := &history{
		s: open(t, tempPath(t, "history.db"), nil), writes: map[uint64]map[string]string{},
		snaps: map[uint64][]map[string]string{}, answered: make([]atomic.Uint64, historyAllocs),
	}
	var first store.Batch
	for i := range historyAllocs {
		first.Upsert(placed(i))
	}
	apply(t, h.s, &first)

	ctx, stop := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for g := range 8 {
		writers.Go(func() { h.write(t, g) })
	}
	for range 2 {
		readers.Go(func() { h.snapshot(ctx, t) })
		readers.Go(func() { h.get(ctx, t) })
	}
	for i := range historyAllocs {
		readers.Go(func() { h.wait(ctx, t, i) })
	}
	readers.Go(func() { h.follow(ctx, t) })
	writers.Wait()
	last := h.touchAll(t)
	for h.behind(last) && !t.Failed() {
		runtime.Gosched()
	}
	stop()
	readers.Wait()
	h.check(t, last)
}

// write applies batches. A batch writes its token to three allocations.
func (h *history) write(t *testing.T, g int) {
	r := rand.New(rand.NewPCG(uint64(g), 0))
	for n := range historyWrites {
		token := fmt.Sprintf("%d.%d", g, n)
		var b store.Batch
		wrote := map[string]string{}
		three := r.Perm(historyAllocs)[:3]
		for _, i := range three {
			b.UpdateFromClient(&schema.Allocation{ID: idOf(i), ClientDescription: token})
			wrote[idOf(i)] = token
		}
		a, err := h.s.Apply(t.Context(), &b)
		if err != nil {
			t.Errorf("apply: %v", err)
			return
		}
		for _, i := range three {
			h.raise(i, a.Index)
		}
		h.record(t, a.Index, wrote)
	}
}

// raise notes that a write to the allocation was answered with the index.
func (h *history) raise(i int, index uint64) {
	for {
		was := h.answered[i].Load()
		if was >= index || h.answered[i].CompareAndSwap(was, index) {
			return
		}
	}
}

func (h *history) record(t *testing.T, index uint64, wrote map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writes[index] != nil {
		t.Errorf("two batches have index %d", index)
	}
	h.writes[index] = wrote
}

// touchAll makes the last write to every allocation and returns its index.
func (h *history) touchAll(t *testing.T) uint64 {
	var b store.Batch
	wrote := map[string]string{}
	for i := range historyAllocs {
		b.UpdateFromClient(&schema.Allocation{ID: idOf(i), ClientDescription: "last"})
		wrote[idOf(i)] = "last"
	}
	index := apply(t, h.s, &b)
	h.record(t, index, wrote)
	return index
}

// behind reports whether a waiter or the feed has not returned the last write yet.
func (h *history) behind(last uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, r := range h.woken {
		if r.Index == last {
			n++
		}
	}
	return n < historyAllocs || len(h.feed) == 0 || !h.feed[len(h.feed)-1].Last || h.feed[len(h.feed)-1].Index < last
}

func (h *history) snapshot(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		sn, err := h.s.Snapshot()
		if err != nil {
			t.Errorf("snapshot: %v", err)
			return
		}
		content := map[string]string{}
		for a, err := range sn.All() {
			if err != nil {
				t.Errorf("all: %v", err)
				return
			}
			content[a.ID] = a.ClientDescription
		}
		h.mu.Lock()
		h.snaps[sn.Index()] = append(h.snaps[sn.Index()], content)
		h.mu.Unlock()
		_ = sn.Close()
	}
}

func (h *history) get(ctx context.Context, t *testing.T) {
	r := rand.New(rand.NewPCG(99, 0))
	for ctx.Err() == nil {
		i := r.IntN(historyAllocs)
		answered := h.answered[i].Load()
		a, err := h.s.Get(idOf(i))
		if err != nil || a.ModifyIndex < answered {
			t.Errorf("a write at %d was answered, a later lookup returns %+v, %v", answered, a, err)
			return
		}
	}
}

// wait follows one allocation, from one wait to the next.
func (h *history) wait(ctx context.Context, t *testing.T, i int) {
	opts := store.QueryOptions{MinQueryIndex: 2}
	for {
		r, err := h.s.Wait(ctx, idOf(i), opts)
		if ctx.Err() != nil {
			return
		}
		if err != nil || r.ID != idOf(i) || r.Outcome != store.Changed || r.Index <= opts.MinQueryIndex || r.Alloc.ModifyIndex != r.Index {
			t.Errorf("wait for %s above %d: %+v, %v", idOf(i), opts.MinQueryIndex, r, err)
			return
		}
		opts.MinQueryIndex = r.Index
		h.mu.Lock()
		h.woken = append(h.woken, r)
		h.mu.Unlock()
	}
}

func (h *history) follow(ctx context.Context, t *testing.T) {
	for ch, err := range h.s.Changes(ctx, 2) {
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("changes: %v", err)
			}
			return
		}
		h.mu.Lock()
		h.feed = append(h.feed, ch)
		h.mu.Unlock()
	}
}

// check compares all replies with the writes in the order of their indexes.
func (h *history) check(t *testing.T, last uint64) {
	content := map[string]string{}
	for i := range historyAllocs {
		content[idOf(i)] = ""
	}
	require.Len(t, h.writes, int(last)-2, "every index from 3 on belongs to a batch")
	position := 0
	for index := uint64(2); index <= last; index++ {
		maps.Copy(content, h.writes[index])
		for _, shown := range h.snaps[index] {
			require.Equal(t, content, shown, "a snapshot at %d has all writes up to its index", index)
		}
		for n := range len(h.writes[index]) {
			ch := h.feed[position]
			require.Equal(t, index, ch.Index, "the feed is in the order of the indexes, without a gap")
			require.Equal(t, h.writes[index][ch.ID], ch.Alloc.ClientDescription, "the feed at %d", index)
			require.Equal(t, n == len(h.writes[index])-1, ch.Last, "Last marks the end of a batch")
			position++
		}
	}
	require.Len(t, h.feed, position)
	for _, r := range h.woken {
		require.Equal(t, h.writes[r.Index][r.ID], r.Alloc.ClientDescription, "the wait that returned at %d has the write to %s", r.Index, r.ID)
	}
}
