package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

func randomIDs(r *rand.Rand, n int, sequential bool) []schema.ID {
	ids := make([]schema.ID, n)
	for i := range ids {
		if sequential {
			ids[i] = schema.ID{14: byte(i >> 8), 15: byte(i)}
			continue
		}
		for k := range ids[i] {
			ids[i][k] = byte(r.Uint32())
		}
	}
	return ids
}

// TestTableAgainstMap has readers look for IDs while the table grows: one that
// was put before is found, and never at an older version than before.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	for _, sequential := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 2))
		ids := randomIDs(r, 40_000, sequential)
		table, oracle := newTable(), map[schema.ID]*version{}
		var put atomic.Int64
		var wg sync.WaitGroup
		for g := range 2 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(3, uint64(g)))
				seen := make([]uint64, len(ids))
				for n := put.Load(); n < int64(len(ids)); n = put.Load() {
					i := r.IntN(len(ids))
					v := table.get(&ids[i])
					if v == nil && int64(i) < n || v != nil && v.created < seen[i] {
						t.Errorf("ID %d of %d put: %+v, seen at %d", i, n, v, seen[i])
						return
					}
					if v != nil {
						seen[i] = v.created
					}
				}
			})
		}
		for i := range ids {
			for _, k := range []int{i, r.IntN(i + 1)} {
				v := &version{content: content{created: uint64(2*i + 1)}}
				table.put(&ids[k], v)
				oracle[ids[k]] = v
			}
			put.Store(int64(i + 1))
		}
		wg.Wait()
		for id, v := range oracle {
			require.Same(t, v, table.get(&id))
		}
		for _, id := range randomIDs(r, 1000, false) {
			require.Equal(t, oracle[id], table.get(&id), "an ID that was not put")
		}
	}
}

func TestIDSetAgainstSortedSlice(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, sequential := range []bool{false, true} {
		ids := randomIDs(r, 3000, sequential)
		var set idset
		in := map[schema.ID]bool{}
		for step := range 20_000 {
			id := ids[r.IntN(len(ids))]
			if sequential && step < len(ids) {
				id = ids[step]
			}
			if in[id] = r.IntN(3) > 0; in[id] {
				set.add(id)
			} else {
				set.remove(id)
				delete(in, id)
			}
			if step%500 == 0 {
				compareSet(t, &set, in, ids[r.IntN(len(ids))], ids[r.IntN(len(ids))])
			}
		}
		for _, id := range ids {
			set.remove(id)
		}
		require.True(t, set.empty(), "nothing is left")
	}
}

func compareSet(t *testing.T, set *idset, in map[schema.ID]bool, low, high schema.ID) {
	t.Helper()
	var want []schema.ID
	for id := range in {
		if low.Compare(id) <= 0 && id.Compare(high) <= 0 {
			want = append(want, id)
		}
	}
	slices.SortFunc(want, schema.ID.Compare)
	require.Equal(t, want, append([]schema.ID(nil), set.page(make([]schema.ID, 0, len(in)), low, high)...))
	if len(want) > 7 {
		require.Equal(t, want[:7], set.page(make([]schema.ID, 0, 7), low, high), "a page is as long as it may be")
	}
	for _, chunk := range set.chunks {
		require.NotEmpty(t, chunk, "Invariant: no chunk is empty")
		require.LessOrEqual(t, len(chunk), maxChunk, "Invariant: no chunk is longer")
	}
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	k := key{7, 3}
	for f := flags(1); f <= knownFlags; f++ {
		if f&(flagSched|flagClient|flagTombstone) == 0 {
			continue
		}
		r := record{flags: f, id: schema.ID{1}, prev: pair{key{2, 1}, key{5, 0}}}
		if f&flagNext != 0 {
			r.next = schema.ID{9}
		}
		if f&flagSched != 0 {
			r.created, r.job, r.sched = 2, jobHash{4}, "\x90"
		}
		if f&flagClient != 0 {
			r.client = "\x91\x01"
		}
		value := r.appendTo([]byte("before"), k)[len("before"):]
		require.Len(t, value, r.size())
		got, err := parseRecord(k, value)
		require.NoError(t, err)
		require.Equal(t, r, got)
		_, err = parseRecord(key{7, 4}, value)
		require.ErrorIs(t, err, errChecksum, "the checksum covers the key")
	}
}

func FuzzParseRecord(f *testing.F) {
	k := key{7, 3}
	r := record{flags: flagSched | flagClient | flagNext, sched: "\x90", client: "\x90"}
	f.Add(r.appendTo(nil, k), false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, value []byte, sum bool) {
		if sum && len(value) >= binHeader+fixedPart { // get past the checksum
			value = slices.Clone(value)
			c := sumRecord(k, value)
			value[2], value[3], value[4], value[5] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
		}
		r, err := parseRecord(k, value)
		if err != nil {
			return
		}
		if again, err := parseRecord(k, r.appendTo(nil, k)); err != nil || again != r {
			t.Fatalf("a record that parses must encode to itself: %+v, %+v, %v", r, again, err)
		}
	})
}

// TestGetAllocatesNothing is the promise of Get's comment.
func TestGetAllocatesNothing(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "get.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	id := testAlloc(1).ID
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := s.Get(id); err != nil {
			t.Fatal(err)
		}
	}))
}

// TestListsForgetOnlyWhatNobodyReads looks at the sets themselves: an ID stays
// listed as long as a snapshot is from before its removal, and no longer.
func TestListsForgetOnlyWhatNobodyReads(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "lists.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	ctx := t.Context()
	listed := func() int {
		q := listQuery(byNode, "node")
		return len(s.lists.page(make([]schema.ID, 0, 10), &q))
	}
	_, err = s.Upsert(ctx, testAlloc(1), testAlloc(2))
	require.NoError(t, err)
	before, err := s.Snapshot()
	require.NoError(t, err)
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	after, err := s.Snapshot()
	require.NoError(t, err)
	require.Equal(t, 2, listed(), "the older snapshot still lists it")
	_, err = s.Upsert(ctx, testAlloc(1))
	require.NoError(t, err)
	require.NoError(t, before.Close())
	require.Equal(t, 2, listed(), "it was placed again before it was forgotten")
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	require.NoError(t, after.Close())
	require.Equal(t, 1, listed(), "nobody reads at an index where it was")
	require.Empty(t, s.lists.mu.queue)
	require.Empty(t, s.lists.mu.leaving)
	moved := testAlloc(2)
	moved.NodeID = "elsewhere"
	_, err = s.Upsert(ctx, moved)
	require.NoError(t, err)
	require.Zero(t, listed(), fmt.Sprint("moved to ", moved.NodeID))
	require.NotContains(t, s.lists.mu.by[byNode], "node", "an empty list is not kept")
}

// TestFeedRestsAtTheLastIndex blocks where no index is left, instead of looking again and
// again for what cannot come.
func TestFeedRestsAtTheLastIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "last.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	var b Batch
	b.Upsert(testAlloc(1))
	_, err = s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	for _, after := range []uint64{math.MaxUint64 - 1, math.MaxUint64} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		f := feed{s: s, next: firstAfter(after)}
		at := f.enter()
		require.ErrorIs(t, f.wait(ctx, at), context.DeadlineExceeded)
		s.leave(at)
		cancel()
	}
}

// TestBackupHasTheMarksOfItsIndex has a restore come after all that a backup copies has been
// copied: what the restore marks is not in it.
func TestBackupHasTheMarksOfItsIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "marks.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	var stream bytes.Buffer
	b := backup{w: &stream, jobs: make(map[jobHash]bool)}
	end, err := b.begin(t.Context(), s)
	require.NoError(t, err)
	defer end()
	s.floor.Store(7)
	require.NoError(t, b.run(t.Context()))
	s.floor.Store(0)
	require.NoError(t, s.Restore(t.Context(), &stream))
}
