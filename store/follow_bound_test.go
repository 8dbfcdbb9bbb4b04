package store

import (
	"iter"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/record"
	"allocstore/watch"
)

// away is the number of allocations that leave a list and are back, again and again.
const away = 2000

// leaveAndReturn has all of them leave the node, and be back, that many times: they move, or are
// deleted, or end. It returns the last index.
func leaveAndReturn(t *testing.T, s *Store, times int) (last uint64) {
	t.Helper()
	for i := range 2 * times {
		var b Batch
		for n := range away {
			a := awayAlloc(n)
			switch kind := i / 2 % 3; {
			case kind == 0 && i%2 == 0:
				a.NodeID = "elsewhere"
				b.Upsert(a)
			case kind == 1 && i%2 == 0:
				b.Delete(a.ID)
			case kind == 2 && i%2 == 0:
				b.SetClientStatus(a.ID, schema.ClientStatusComplete, "")
			case kind == 2:
				b.SetClientStatus(a.ID, schema.ClientStatusRunning, "")
			default:
				b.Upsert(a)
			}
		}
		applied, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
		last = applied.Index
	}
	return last
}

// placeAway places all of them on the node, and returns the index before.
func placeAway(t *testing.T, s *Store) (first uint64) {
	t.Helper()
	first = upsert(t, s, testAlloc(0))
	var b Batch
	for n := range away {
		b.Upsert(awayAlloc(n))
	}
	_, err := s.Apply(t.Context(), &b)
	require.NoError(t, err)
	return first
}

func awayAlloc(n int) *schema.Allocation {
	a := testAlloc(1)
	a.ID = schema.ID{1, byte(n >> 8), byte(n)}.String()
	return a
}

// allocatedBy returns how many bytes fn allocates, used again or not.
func allocatedBy(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// heapInUse returns the bytes that are reachable.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFollowIsBounded has followers stand still while 200,000 allocations leave their list: one
// among the changes, and one among the members of its beginning. The next step of each must not
// depend on how many have left, and neither keeps more than a feed that stands at the same index.
// Other tests would disturb it, so it is not parallel.
func TestFollowIsBounded(t *testing.T) {
	const step, kept = 512 << 10, 1 << 20 // bytes
	s := openTemp(t, &Options{FeedRetention: -1, ResidentBytes: 1 << 20})
	first := placeAway(t, s)

	sel := Node("node").NonTerminal()
	feed, stopFeed := iter.Pull2(s.Changes(t.Context(), first))
	defer stopFeed()
	_, err, _ := feed()
	require.NoError(t, err)
	var streams []func() (ListChange, error, bool)
	for _, after := range []uint64{first, 0} {
		next, stop := iter.Pull2(s.Follow(t.Context(), sel, after))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		streams = append(streams, next)
	}
	leaveAndReturn(t, s, 100)
	before := heapInUse()
	for i, next := range streams {
		for range 3 { // a step each: the rest of the chunk or page, and more
			allocated := allocatedBy(func() {
				for range feedChunk {
					_, err, more := next()
					require.NoError(t, err)
					require.True(t, more)
				}
			})
			t.Logf("stream %d allocated %d bytes", i, allocated)
			if i == 0 {
				require.Less(t, allocated, uint64(step), "bytes allocated for %d changes", feedChunk)
			}
		}
	}
	grown := heapInUse() - before
	t.Logf("%d bytes more are kept", grown)
	require.Less(t, grown, int64(kept), "bytes kept")
	runtime.KeepAlive(feed)
}

// TestFollowLooksOnce counts the records that a follower reads while it catches up with 42,000
// departures: each record of the log once, and beside it a limited number to find the versions before
// and after.
func TestFollowLooksOnce(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{FeedRetention: math.MaxInt})
	first := placeAway(t, s)
	const times = 21 // divisible by the kinds of leaving
	last := leaveAndReturn(t, s, times)
	const records = (1 + 2*times) * away
	for _, c := range []struct {
		sel           Selector
		arrived, left int
	}{
		{Node("node").NonTerminal(), (1 + times) * away, times * away},
		{Node("node").NonTerminal().Placements(), (1 + times) * away, times * away},
		{Node("elsewhere"), times / 3 * away, times / 3 * away},
		{Everything(), (1 + 5*times/3) * away, times / 3 * away},
		{Node("nowhere"), 0, 0},
	} {
		q, err := c.sel.query()
		require.NoError(t, err)
		f := follower{s: s, q: q, w: watch.NewWaiter()}
		f.feed = feed{c: &s.core, st: s.state.Load(), next: record.FirstAfter(first)}
		f.feed.enter()
		arrived, left, steps, lookUps := 0, 0, 0, 0
		for f.feed.next.Index <= last {
			next, err := f.read(last)
			require.NoError(t, err)
			require.True(t, next.After(f.feed.next), "%v: a step does not go back", c.sel)
			for _, ch := range f.chunk {
				if ch.Gone != nil {
					left++
				} else {
					arrived++
				}
			}
			f.advance(next)
			steps++
			lookUps += f.members.LookUps
		}
		f.feed.leave()
		require.Equal(t, []int{c.arrived, c.left}, []int{arrived, left}, "%v: arrivals and changes, departures", c.sel)
		require.LessOrEqual(t, steps, records/feedChunk+2, "%v: steps", c.sel)
		require.LessOrEqual(t, lookUps, 3*records, "%v: records read beside those of the log", c.sel)
		t.Logf("%v: %d records, %d steps, %d looked up", c.sel, records, steps, lookUps)
	}
}
