package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// entryOf returns an entry whose batch is written by fill.
func entryOf(index uint64, fill func(*store.Batch)) store.Entry {
	e := store.Entry{Index: index, Batch: new(store.Batch)}
	fill(e.Batch)
	return e
}

// applyEach applies entries of placements at the indexes.
func applyEach(t *testing.T, s *store.Store, indexes ...uint64) {
	t.Helper()
	var entries []store.Entry
	for _, at := range indexes {
		entries = append(entries, entryOf(at, func(b *store.Batch) { b.Upsert(placed(int(at))) }))
	}
	got, err := s.ApplyEntries(t.Context(), entries)
	require.NoError(t, err)
	for i, at := range indexes {
		require.Equal(t, store.Result{Applied: store.Applied{Index: at}}, got[i])
	}
}

// TestEntriesTakeOneCommit applies many entries, some of which change nothing.
func TestEntriesTakeOneCommit(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "one.db"), nil)
	var entries []store.Entry
	for i := range 1000 {
		entries = append(entries, entryOf(uint64(10+2*i), func(b *store.Batch) { b.Upsert(placed(i % 700)) }))
	}
	got, err := s.ApplyEntries(t.Context(), entries)
	require.NoError(t, err)
	require.Equal(t, uint64(1), s.Stats().Commits)
	require.Equal(t, []uint64{10 + 2*699, 10 + 2*999}, []uint64{s.LastIndex(), s.AppliedIndex()})
	for i, r := range got {
		want := store.Applied{Index: uint64(10 + 2*min(i, 699)), Unchanged: i / 700}
		require.Equal(t, store.Result{Applied: want}, r)
	}
	again, err := s.ApplyEntries(t.Context(), entries[500:])
	require.NoError(t, err)
	require.Equal(t, uint64(1), s.Stats().Commits)
	for _, r := range again {
		require.Equal(t, store.Result{Skipped: true}, r)
	}
	none, err := s.ApplyEntries(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestEntriesAreRefused has a refused entry of each kind between two others.
func TestEntriesAreRefused(t *testing.T) {
	t.Parallel()
	large := placed(3)
	large.Name = strings.Repeat("x", 1000)
	upsert := func(a *schema.Allocation) func(*store.Batch) { return func(b *store.Batch) { b.Upsert(a) } }
	limited := func(l store.Limits, e store.Entry) store.Entry { e.Limits = l; return e }
	cases := map[string]struct {
		entry store.Entry
		is    error
		text  string
	}{
		"a fault":           {entryOf(7, func(b *store.Batch) { b.Delete("web") }), store.ErrInvalidID, "batch write 0, Delete"},
		"no job":            {entryOf(7, upsert(&schema.Allocation{ID: idOf(3)})), store.ErrNoJob, ""},
		"a conflict":        {entryOf(7, func(b *store.Batch) { b.Expect(idOf(5), 4); b.Upsert(placed(3)) }), store.ErrConflict, "is at 5"},
		"a list's conflict": {entryOf(7, func(b *store.Batch) { b.ExpectList(store.Everything(), 4); b.Upsert(placed(3)) }), store.ErrConflict, "index 5, after 4"},
		"a large write":     {limited(store.Limits{AllocationBytes: 500}, entryOf(7, upsert(large))), store.ErrTooLarge, "Limits.AllocationBytes is 500"},
		"a large batch":     {limited(store.Limits{BatchBytes: 500}, entryOf(7, upsert(large))), store.ErrTooLarge, "Limits.BatchBytes is 500"},
		"negative limits":   {limited(store.Limits{BatchBytes: -1}, entryOf(7, upsert(large))), store.ErrInvalid, "Limits of 0 and -1 bytes"},
		"a high floor":      {limited(store.Limits{Floor: 8}, entryOf(7, upsert(large))), store.ErrInvalid, "Limits.Floor is 8, above the entry's index 7"},
		"below the floor":   {limited(store.Limits{Floor: 6}, entryOf(7, func(b *store.Batch) { b.ExpectList(store.Node("x"), 5) })), store.ErrConflict, "index 6, after 5"},
		"a mark with batch": {store.Entry{Index: 7, Mark: true, Batch: new(store.Batch)}, store.ErrInvalid, "a Mark with a batch"},
	}
	for name, c := range cases {
		s := open(t, tempPath(t, "refused.db"), &store.Options{MaxAllocationBytes: 600, MaxBatchBytes: 600})
		before := entryOf(5, upsert(placed(5)))
		after := entryOf(9, upsert(placed(9)))
		got, err := s.ApplyEntries(t.Context(), []store.Entry{before, c.entry, after})
		require.NoError(t, err, name)
		require.ErrorIs(t, got[1].Err, c.is, name)
		require.ErrorContains(t, got[1].Err, c.text, name)
		require.Equal(t, store.Result{Err: got[1].Err}, got[1], name)
		require.Equal(t, []uint64{5, 9}, []uint64{got[0].Index, got[2].Index}, name)
		require.Equal(t, 2, s.Stats().Allocations, name)
		again, err := s.ApplyEntries(t.Context(), []store.Entry{c.entry})
		require.NoError(t, err)
		require.Equal(t, []store.Result{{Skipped: true}}, again, "a refused entry counts as applied: %s", name)
	}
	s := open(t, tempPath(t, "options.db"), &store.Options{MaxAllocationBytes: 600, MaxBatchBytes: 600})
	got, err := s.ApplyEntries(t.Context(), []store.Entry{entryOf(7, upsert(large))})
	require.NoError(t, err)
	require.NoError(t, got[0].Err, "the store's own limits are not those of entries")
}

// TestIndexesOfEntriesRise refuses calls whose indexes do not rise, and applies nothing of them.
func TestIndexesOfEntriesRise(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "rise.db"), nil)
	for _, indexes := range [][]uint64{{0}, {5, 5}, {5, 7, 6}, {5, math.MaxUint64}} {
		var entries []store.Entry
		for _, at := range indexes {
			entries = append(entries, entryOf(at, func(b *store.Batch) { b.Upsert(placed(1)) }))
		}
		got, err := s.ApplyEntries(t.Context(), entries)
		require.ErrorIs(t, err, store.ErrInvalid, "%d", indexes)
		require.ErrorContains(t, err, fmt.Sprint("index ", indexes[len(indexes)-1]))
		require.Empty(t, got)
	}
	require.Equal(t, []uint64{1, 1}, []uint64{s.LastIndex(), s.AppliedIndex()})
}

// TestAppliedIndex moves it by each kind of write.
func TestAppliedIndex(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "applied.db")
	s := openToClose(t, path, nil)
	is := func(last, applied uint64, why string) {
		t.Helper()
		require.Equal(t, []uint64{last, applied}, []uint64{s.LastIndex(), s.AppliedIndex()}, why)
	}
	is(1, 1, "a new store")
	upsert(t, s, placed(1))
	is(2, 2, "Apply")
	_, err := s.ApplyAt(t.Context(), 10, new(store.Batch))
	require.NoError(t, err)
	is(2, 10, "an ApplyAt that changes nothing")
	_, err = s.ApplyAt(t.Context(), 10, new(store.Batch))
	var regression *store.IndexRegressionError
	require.ErrorAs(t, err, &regression)
	require.Equal(t, store.IndexRegressionError{Index: 10, Last: 10}, *regression)
	var b store.Batch
	b.Expect(idOf(1), 1)
	_, err = s.ApplyAt(t.Context(), 12, &b)
	require.ErrorIs(t, err, store.ErrConflict)
	is(2, 10, "a refused ApplyAt, which may be repeated")
	_, err = s.ApplyEntries(t.Context(), []store.Entry{{Index: 12}})
	require.NoError(t, err)
	is(2, 12, "an entry without a batch")
	shut(t, s)
	s = openToClose(t, path, nil)
	is(2, 12, "Close makes it durable")
	require.Equal(t, uint64(13), remove(t, s, idOf(1)), "Apply takes the index after it")
	is(13, 13, "and makes them equal")
	_, err = s.ApplyEntries(t.Context(), []store.Entry{{Index: 20}})
	require.NoError(t, err)
	var copied bytes.Buffer
	info, err := s.Backup(t.Context(), &copied)
	require.NoError(t, err)
	require.Equal(t, []uint64{13, 20}, []uint64{info.Index, info.Applied})
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(copied.Bytes())))
	is(21, 21, "Restore takes the index after it")
	shut(t, s)
	s = open(t, tempPath(t, "restored.db"), nil)
	require.NoError(t, s.Restore(t.Context(), &copied))
	is(13, 20, "a backup has it")
}

// TestAppliedIndexSurvivesAKill copies the file of an open store, as if the process had ended, after
// entries that changed nothing.
func TestAppliedIndexSurvivesAKill(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "killed.db")
	s := open(t, path, nil)
	killed := func() uint64 {
		copied := tempPath(t, "copy.db")
		writeFile(t, copied, readFile(t, path))
		c := openToClose(t, copied, nil)
		defer shut(t, c)
		require.Equal(t, contentOf(t, s), contentOf(t, c))
		return c.AppliedIndex()
	}
	applyEach(t, s, 5, 6)
	require.Equal(t, uint64(6), killed())
	nothing := func(at uint64) {
		_, err := s.ApplyEntries(t.Context(), []store.Entry{{Index: at}})
		require.NoError(t, err)
	}
	nothing(9)
	require.Equal(t, uint64(6), killed(), "nothing was written for an entry that changed nothing")
	_, err := s.Backup(t.Context(), new(bytes.Buffer))
	require.NoError(t, err)
	require.Equal(t, uint64(9), killed(), "Backup makes it durable")
	commits := s.Stats().Commits
	_, err = s.Backup(t.Context(), new(bytes.Buffer))
	require.NoError(t, err)
	require.Equal(t, commits, s.Stats().Commits)
	nothing(11)
	require.NoError(t, s.Compact(t.Context()))
	require.GreaterOrEqual(t, killed(), uint64(9), "Compact keeps it")
	got, err := s.ApplyEntries(t.Context(), []store.Entry{entryOf(12, func(b *store.Batch) { b.Upsert(placed(12)) }), {Index: 15}})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, uint64(15), killed(), "the transaction of the data has it")
}

// TestEntriesEndWithTheContext ends the context of a call while all its entries, or some, are queued.
func TestEntriesEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, tempPath(t, "ctx.db"), nil)
		defer shut(t, s)
		release := s.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			got, err := s.ApplyEntries(ctx, []store.Entry{{Index: 5}, entryOf(6, func(b *store.Batch) { b.Upsert(placed(1)) })})
			require.Empty(t, got)
			done <- err
		}()
		synctest.Wait()
		require.Equal(t, 2, s.Queued())
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Zero(t, s.Queued())
		release()
		require.Equal(t, []uint64{1, 1}, []uint64{s.LastIndex(), s.AppliedIndex()})
		_, err := s.ApplyEntries(ctx, []store.Entry{{Index: 5}})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestEntriesAreEqualOnAllStores applies the same entries to stores with other limits, other groups,
// restarts and compaction. Results, content and indexes are equal.
func TestEntriesAreEqualOnAllStores(t *testing.T) {
	t.Parallel()
	forSeeds(t, 4, func(t *testing.T, seed uint64) {
		d := dice{rand.New(rand.NewPCG(seed, 0))}
		m := newModel()
		var entries []func() store.Entry
		for at := uint64(2); len(entries) < 200; at += 1 + d.Uint64N(3) {
			steps := append(d.steps(m), d.expectList(m))
			limits := store.Limits{Floor: d.Uint64N(2) * d.Uint64N(at)}
			if d.IntN(4) == 0 {
				limits.AllocationBytes, limits.BatchBytes = 50+d.IntN(300), 50+d.IntN(1000)
			}
			mark := d.IntN(50) == 0
			entries = append(entries, func() store.Entry {
				if mark {
					return store.Entry{Index: at, Mark: true, Limits: limits}
				}
				return store.Entry{Index: at, Batch: batchOf(steps), Limits: limits}
			})
			m.applyEntry(at, steps) // so that steps and conditions are often sensible
		}
		want := newReplica(t, &store.Options{Replicated: true}, dice{rand.New(rand.NewPCG(seed, 1))})
		want.run(entries, func(int) int { return 1 })
		refused := 0
		for _, r := range want.results {
			if r.Err != nil {
				refused++
			}
		}
		require.Greater(t, refused, 20)
		require.Greater(t, len(want.results)-refused, 20)
		for i, opts := range []*store.Options{
			{Replicated: true, FeedRetention: -1, MaxAllocationBytes: 1, MaxBatchBytes: 1, ResidentBytes: 1},
			{Replicated: true, FeedRetention: -1, InitialMmapBytes: 1},
		} {
			d := dice{rand.New(rand.NewPCG(seed, uint64(i)+2))}
			got := newReplica(t, opts, d)
			got.compacts = true
			got.run(entries, func(left int) int { return 1 + d.IntN(min(left, 40)) })
			for n := range want.results {
				require.Equal(t, fmt.Sprintf("%+v", want.results[n]), fmt.Sprintf("%+v", got.results[n]), "entry %d", n)
			}
			require.Equal(t, contentOf(t, want.s), contentOf(t, got.s))
			require.Equal(t, want.s.LastIndex(), got.s.LastIndex())
			require.Equal(t, want.s.AppliedIndex(), got.s.AppliedIndex())
		}
	})
}

// A replica applies entries to one store.
type replica struct {
	dice
	t        *testing.T
	path     string
	opts     *store.Options
	s        *store.Store
	compacts bool
	results  []store.Result
}

func newReplica(t *testing.T, opts *store.Options, d dice) *replica {
	path := tempPath(t, "replica.db")
	return &replica{dice: d, t: t, path: path, opts: opts, s: open(t, path, opts)}
}

// run applies the entries in groups. In between it compacts, and opens the store again, which may have
// lost entries that changed nothing if it was killed.
func (r *replica) run(entries []func() store.Entry, size func(left int) int) {
	for len(r.results) < len(entries) {
		n := len(r.results)
		var group []store.Entry
		for _, e := range entries[n : n+size(len(entries)-n)] {
			group = append(group, e())
		}
		got, err := r.s.ApplyEntries(r.t.Context(), group)
		require.NoError(r.t, err)
		r.results = append(r.results, got...)
		if !r.compacts {
			continue
		}
		switch r.IntN(6) {
		case 0:
			require.NoError(r.t, r.s.Sweep(r.t.Context()))
		case 1:
			require.NoError(r.t, r.s.Compact(r.t.Context()))
		case 2:
			r.kill(entries[:len(r.results)])
		}
	}
}

// kill goes on with a copy of the file, and applies the entries above its applied index again, with
// the same results.
func (r *replica) kill(before []func() store.Entry) {
	r.path = tempPath(r.t, "killed.db")
	writeFile(r.t, r.path, readFile(r.t, r.s.Path()))
	applied, content := r.s.AppliedIndex(), contentOf(r.t, r.s)
	r.s = open(r.t, r.path, r.opts)
	require.LessOrEqual(r.t, r.s.AppliedIndex(), applied)
	require.Equal(r.t, content, contentOf(r.t, r.s), "nothing that was answered is lost")
	var again []store.Entry
	var want []store.Result
	for i, e := range before {
		if e := e(); e.Index > r.s.AppliedIndex() {
			again, want = append(again, e), append(want, r.results[i])
		}
	}
	got, err := r.s.ApplyEntries(r.t.Context(), again)
	require.NoError(r.t, err)
	for i := range want {
		require.Equal(r.t, fmt.Sprintf("%+v", want[i]), fmt.Sprintf("%+v", got[i]), "entry %d once more", again[i].Index)
	}
	require.Equal(r.t, content, contentOf(r.t, r.s))
	require.Equal(r.t, applied, r.s.AppliedIndex())
}

// TestIndexSavedApartFromItsData fails the nth operation of the disk, for every n, and copies the
// file then. The index in it is never ahead of its content: etcd 3.5 stored the index of an entry
// in a transaction before that of its data. Applying the rest gives the whole content.
func TestIndexSavedApartFromItsData(t *testing.T) {
	t.Parallel()
	var entries []store.Entry
	for at := uint64(2); at < 14; at++ {
		e := store.Entry{Index: at}
		if at%3 > 0 {
			e = entryOf(at, func(b *store.Batch) { b.Upsert(placed(int(at))) })
		}
		entries = append(entries, e)
	}
	whole := open(t, tempPath(t, "whole.db"), nil)
	_, err := whole.ApplyEntries(t.Context(), entries)
	require.NoError(t, err)
	for n := range len(entries) {
		path := tempPath(t, "apart.db")
		s, breakDisk := store.OpenBreakable(t, path)
		_, err := s.ApplyEntries(t.Context(), entries[:n])
		require.NoError(t, err)
		breakDisk()
		got, err := s.ApplyEntries(t.Context(), entries[n:])
		require.ErrorIs(t, err, store.ErrFailed)
		require.Empty(t, got)
		require.Equal(t, max(uint64(n)+1, 1), s.AppliedIndex(), "a failed commit moves nothing")
		require.ErrorIs(t, s.WaitApplied(t.Context(), 13), store.ErrFailed)
		_ = s.Close()

		again := open(t, path, nil)
		applied := again.AppliedIndex()
		for at := uint64(2); at < 14; at++ {
			_, err := again.Get(idOf(int(at)))
			require.Equal(t, at <= applied && at%3 > 0, !errors.Is(err, store.ErrNotFound), "entry %d, the applied index is %d", at, applied)
		}
		_, err = again.ApplyEntries(t.Context(), entries)
		require.NoError(t, err)
		require.Equal(t, contentOf(t, whole), contentOf(t, again))
		require.Equal(t, whole.AppliedIndex(), again.AppliedIndex())
	}
}
