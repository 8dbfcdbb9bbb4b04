package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// waitNow returns the result of a WaitList that does not block, or runs out of time at once.
func waitNow(t *testing.T, s *store.Store, sel store.Selector, min uint64) (store.ListResult, error) {
	t.Helper()
	return s.WaitList(t.Context(), sel, store.QueryOptions{MinQueryIndex: min, MaxQueryTime: 1})
}

// TestConditionsInOneCommit queues pairs of batches. The condition of the second meets what the
// first has written in the same commit.
func TestConditionsInOneCommit(t *testing.T) {
	t.Parallel()
	stop := func(b *store.Batch) { b.SetDesiredStatus(idOf(1), "stop", "") }
	report := func(b *store.Batch) { b.SetClientStatus(idOf(1), "running", "") }
	end := func(b *store.Batch) { b.SetClientStatus(idOf(1), "failed", "") }
	move := func(b *store.Batch) { a := placed(1); a.NodeID, a.JobID, a.EvalID = "n", "j", "e"; b.Upsert(a) }
	writes := map[string]struct {
		write func(*store.Batch)
		moves func(l modelList) bool // a list that the allocation was in
	}{
		"a placement":                  {func(b *store.Batch) { a := placed(1); a.ID = "00000001-0000-4000-8000-000000000009"; b.Upsert(a) }, func(l modelList) bool { return !l.exact }},
		"a scheduler's write":          {stop, func(modelList) bool { return true }},
		"a report":                     {report, func(l modelList) bool { return !l.placements }},
		"a report that ends":           {end, func(l modelList) bool { return !l.placements || l.nonTerminal }},
		"a move":                       {move, func(modelList) bool { return true }},
		"a deletion":                   {func(b *store.Batch) { b.Delete(idOf(1)) }, func(modelList) bool { return true }},
		"a write elsewhere":            {func(b *store.Batch) { b.Delete("f0000000-0000-4000-8000-000000000000") }, func(l modelList) bool { return l.sel == everything(l) }},
		"a write that changes nothing": {func(b *store.Batch) { b.Upsert(placed(1)) }, func(modelList) bool { return false }},
	}
	for name, w := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, tempPath(t, "group.db"), nil)
			for _, l := range listsOf(placed(1)) {
				b := new(store.Batch)
				b.Delete(idOf(1))
				b.Delete("00000001-0000-4000-8000-000000000009")
				apply(t, s, b)
				elsewhere := placed(5)
				elsewhere.ID, elsewhere.JobID, elsewhere.EvalID = "f0000000-0000-4000-8000-000000000000", "other", "other"
				index := upsert(t, s, placed(1), elsewhere)
				first, second := new(store.Batch), new(store.Batch)
				w.write(first)
				second.ExpectList(l.sel, index)
				second.AppendTaskEvent(idOf(1), "task", "running", schema.TaskEvent{Type: "Started"})
				commits := s.Stats().Commits
				errs := applyTogether(s, first, second)
				require.NoError(t, errs[0])
				require.LessOrEqual(t, s.Stats().Commits, commits+1, "both are in one commit")
				if !w.moves(l) {
					require.NoError(t, errs[1], "%v is not moved by %s", l.sel, name)
					continue
				}
				var conflict *store.ConflictError
				require.ErrorAs(t, errs[1], &conflict, "%v is moved by %s", l.sel, name)
				require.Equal(t, &store.ConflictError{List: l.sel, Expected: index, Actual: index + 1}, conflict)
				require.Equal(t, index+1, s.LastIndex(), "a refused batch takes no index")
			}
		})
	}
}

// everything returns the selector of all allocations in the list's variant.
func everything(l modelList) store.Selector {
	return modelList{sel: store.Everything()}.variant(l.nonTerminal, l.placements).sel
}

// applyTogether applies the batches in this order in one commit.
func applyTogether(s *store.Store, batches ...*store.Batch) (errs []error) {
	release := s.Hold()
	errs = make([]error, len(batches))
	var wg sync.WaitGroup
	for i, b := range batches {
		wg.Go(func() { _, errs[i] = s.Apply(context.Background(), b) })
		for s.Queued() <= i {
			time.Sleep(time.Microsecond)
		}
	}
	release()
	wg.Wait()
	return errs
}

// TestRefusedBatchMovesNothing has a batch refused between two others of its commit: for the
// third one the list has not moved, and its readers are not woken.
func TestRefusedBatchMovesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "refused.db"), nil)
	index := upsert(t, s, placed(1))
	var refused, conflict, third store.Batch
	refused.SetDesiredStatus(idOf(1), "stop", "")
	refused.Upsert(&schema.Allocation{ID: idOf(9), NodeID: "node1"}) // without a job
	conflict.Expect(idOf(1), index-1)
	conflict.Delete(idOf(1))
	third.Expect(idOf(1), index)
	third.Expect(idOf(9), 0)
	third.ExpectList(store.Node("node1"), index)
	third.ExpectList(store.Everything(), index)
	third.ExpectList(store.Prefix(idOf(1)), index)
	third.SetDesiredStatus(idOf(1), "stop", "")
	errs := applyTogether(s, &refused, &conflict, &third)
	require.ErrorIs(t, errs[0], store.ErrNoJob)
	require.ErrorIs(t, errs[1], store.ErrConflict)
	require.NoError(t, errs[2])
	require.Equal(t, index+1, s.LastIndex())
	r, err := waitNow(t, s, store.Node("node1"), index)
	require.NoError(t, err)
	require.Equal(t, store.ListResult{Index: index + 1, Outcome: store.Changed, Changed: []*schema.Allocation{mustGet(t, s, 1)}}, r)
}

// TestManySchedulersOneNode has schedulers place at once what none of them may place twice: each
// decides by a snapshot, and has a condition on it.
func TestManySchedulersOneNode(t *testing.T) {
	t.Parallel()
	const schedulers, slots = 8, 40
	s := open(t, tempPath(t, "schedulers.db"), nil)
	node := store.Node("node").NonTerminal().Placements()
	var wg sync.WaitGroup
	for g := range schedulers {
		wg.Go(func() {
			for n := 0; ; n++ {
				sn, err := s.Snapshot()
				if err != nil {
					t.Error(err)
					return
				}
				count, err := sn.Len(node)
				index := sn.Index()
				if err = errors.Join(err, sn.Close()); err != nil || count >= slots {
					require.NoError(t, err)
					return
				}
				a := placed(1 + g*1_000_000 + n)
				a.NodeID = "node"
				var b store.Batch
				b.ExpectList(node, index)
				b.Upsert(a)
				b.SetClientStatus(a.ID, "running", "")
				if _, err := s.Apply(context.Background(), &b); err != nil && !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n, err := s.Len(node)
	require.NoError(t, err)
	require.Equal(t, slots, n, "no slot is given twice")
}

// TestFaultsOfConditions has conditions that cannot be met by any store. Apply names each with its
// position. Reset takes conditions and faults away.
func TestFaultsOfConditions(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "faults.db"), nil)
	var b store.Batch
	b.Expect(idOf(1), 0)
	b.Expect("web", 0)
	b.ExpectList(store.Node("node1"), 1)
	b.ExpectList(store.Selector{}.Placements(), 1)
	b.ExpectList(store.Prefix("xyz"), 1)
	b.Upsert(placed(1))
	_, err := s.Apply(t.Context(), &b)
	require.ErrorIs(t, err, store.ErrInvalidID)
	require.ErrorIs(t, err, store.ErrInvalid)
	for _, text := range []string{"condition 1, Expect:", "condition 3, ExpectList:", "condition 4, ExpectList:", "xyz"} {
		require.ErrorContains(t, err, text)
	}
	require.Equal(t, uint64(1), s.LastIndex())
	b.Reset()
	b.Upsert(placed(1))
	require.Equal(t, uint64(2), apply(t, s, &b), "Reset takes faults away")
	b.Reset()
	b.Expect(idOf(1), 0)
	b.Delete(idOf(1))
	_, err = s.Apply(t.Context(), &b)
	require.ErrorIs(t, err, store.ErrConflict)
	require.ErrorContains(t, err, "batch condition 0:")
	b.Reset()
	b.Delete(idOf(1))
	apply(t, s, &b)
	require.Equal(t, uint64(3), s.LastIndex(), "Reset takes conditions away")

	b.Reset()
	b.Expect(idOf(1), 3)
	b.Upsert(placed(1))
	_, err = s.Apply(t.Context(), &b)
	var conflict *store.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, &store.ConflictError{ID: idOf(1), Expected: 3}, conflict, "a deleted allocation does not exist")
}

// TestUnusualSelectors reads lists that do not exist, that had no member, or from the future.
func TestUnusualSelectors(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "unusual.db"), nil)
	last := upsert(t, s, placed(1))
	for sel, want := range map[store.Selector]error{
		{}: store.ErrInvalid, store.Selector{}.NonTerminal().Placements(): store.ErrInvalid,
		store.Prefix("00000001-0000-4000-8000-0000000000000"): store.ErrInvalidID, store.Prefix("0-"): store.ErrInvalidID, store.Prefix("é"): store.ErrInvalidID,
	} {
		for _, min := range []uint64{0, 1, math.MaxUint64} {
			r, err := waitNow(t, s, sel, min)
			require.ErrorIs(t, err, want, "%v", sel)
			require.Equal(t, store.ListResult{}, r)
			n := 0
			for ch, err := range s.Follow(t.Context(), sel, min) {
				require.ErrorIs(t, err, want)
				require.Equal(t, store.ListChange{}, ch)
				n++
			}
			require.Equal(t, 1, n, "the error ends the sequence")
		}
	}
	for _, sel := range []store.Selector{store.Node("nowhere"), store.Job(""), store.Eval("\xff"), store.Prefix("F"), store.Node("").NonTerminal()} {
		r, err := waitNow(t, s, sel, 0)
		require.NoError(t, err)
		require.Equal(t, store.ListResult{Index: 1, Outcome: store.Changed, Full: true}, r, "%v", sel)
		for _, min := range []uint64{1, last, last + 1, math.MaxUint64} {
			r, err = waitNow(t, s, sel, min)
			require.NoError(t, err)
			require.Equal(t, store.ListResult{Index: last, Outcome: store.TimedOut}, r, "%v", sel)
			var b store.Batch
			b.ExpectList(sel, min)
			_, err = s.Apply(t.Context(), &b)
			require.NoError(t, err, "an index of the future is met")
		}
		for ch, err := range s.Follow(t.Context(), sel, 0) {
			require.NoError(t, err)
			require.Equal(t, store.ListChange{Index: last, Complete: true}, ch)
			break
		}
		for _, after := range []uint64{last + 1, math.MaxUint64} {
			for _, err := range s.Follow(t.Context(), sel, after) {
				var future *store.FutureIndexError
				require.ErrorAs(t, err, &future)
				require.Equal(t, store.FutureIndexError{Index: after, Last: last}, *future)
			}
		}
	}
}

// TestMutatedMemberOfList changes an allocation that a list handed out. Every read of the list tells
// of it once, and gives the rest.
func TestMutatedMemberOfList(t *testing.T) {
	t.Parallel()
	job := store.Job("job")
	reads := map[string]func(*testing.T, *store.Store) (n int, err error){
		"WaitList, full": func(t *testing.T, s *store.Store) (int, error) {
			r, err := waitNow(t, s, job, 0)
			return len(r.Changed), err
		},
		"WaitList, changes": func(t *testing.T, s *store.Store) (int, error) {
			r, err := waitNow(t, s, job, 1)
			return len(r.Changed), err
		},
		"GetMany": func(t *testing.T, s *store.Store) (n int, mutated error) {
			for _, err := range s.GetMany([]string{idOf(1), idOf(2), idOf(3)}) {
				if err != nil {
					mutated = err
				} else {
					n++
				}
			}
			return n, mutated
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openToClose(t, tempPath(t, "mutated.db"), nil)
			upsert(t, s, placed(1), placed(2), placed(3))
			r, err := waitNow(t, s, job, 0)
			require.NoError(t, err)
			r.Changed[1].Name = "mutated"
			n, err := read(t, s)
			require.ErrorIs(t, err, store.ErrMutated)
			require.ErrorContains(t, err, idOf(2))
			require.Equal(t, 2, n, "the others are given")
			require.NoError(t, s.Close(), "a mutation is reported once")
		})
	}
}

// TestListsOfDroppedAllocations bounds the memory of decoded allocations to one. Lists, waits and
// streams decode the others.
func TestListsOfDroppedAllocations(t *testing.T) {
	t.Parallel()
	const n = 300
	path := tempPath(t, "dropped.db")
	s := openToClose(t, path, &store.Options{ResidentBytes: 1})
	var b store.Batch
	var want []string
	for i := range n {
		a := placed(i)
		a.NodeID = "node"
		b.Upsert(a)
		want = append(want, a.ID)
	}
	last := apply(t, s, &b)
	for range 2 {
		for _, min := range []uint64{0, last - 1} {
			r, err := waitNow(t, s, store.Node("node"), min)
			require.NoError(t, err)
			require.Equal(t, want, idsOf(r.Changed))
		}
		var followed []*schema.Allocation
		for ch, err := range s.Follow(t.Context(), store.Node("node"), last-1) {
			require.NoError(t, err)
			if followed = append(followed, ch.Alloc); len(followed) == n {
				break
			}
		}
		require.Equal(t, want, idsOf(followed))
		var many []*schema.Allocation
		for a, err := range s.GetMany(want) {
			require.NoError(t, err)
			many = append(many, a)
		}
		require.Equal(t, want, idsOf(many))
		require.LessOrEqual(t, s.Stats().ResidentBytes, int64(64<<10))
		shut(t, s)
		s = openToClose(t, path, &store.Options{ResidentBytes: 1})
	}
	shut(t, s)
}

func idsOf(all []*schema.Allocation) (ids []string) {
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return ids
}

// TestListsOfQuarantined damages the client's part of one allocation of a job, whose placement
// is known.
func TestListsOfQuarantined(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the client's part")
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, path, &store.Options{Logger: silent})
		q := quarantined{damage: damages["the client's part"], t: t}
		last := s.LastIndex()
		damaged := func(sel store.Selector, min uint64, want store.ListResult) {
			t.Helper()
			r, err := waitNow(t, s, sel, min)
			q.requireDamage(err)
			require.ErrorContains(t, err, idOf(2))
			require.Equal(t, want, r, "%v above %d", sel, min)
		}
		others := []*schema.Allocation{mustGet(t, s, 0), mustGet(t, s, 1), mustGet(t, s, 3), mustGet(t, s, 4), mustGet(t, s, 5)}
		damaged(store.Everything(), 0, store.ListResult{Index: last, Outcome: store.Changed, Full: true, Changed: others})
		damaged(store.Prefix("0000000"), 4, store.ListResult{Index: last, Outcome: store.Changed, Changed: []*schema.Allocation{others[0], others[2]}})
		damaged(store.Node("node2"), 4, store.ListResult{Index: 5, Outcome: store.Changed})
		damaged(store.Node("node2").Placements(), 1, store.ListResult{Index: 5, Outcome: store.Changed})
		r, err := waitNow(t, s, store.Everything(), 5)
		require.NoError(t, err, "the allocation has not changed since")
		require.Len(t, r.Changed, 2)
		r, err = waitNow(t, s, store.Node("node1"), 0)
		require.NoError(t, err, "another node")
		require.Len(t, r.Changed, 1)
		requireFollowGoesOn(t, s, store.Everything(), 5)
		requireFollowGoesOn(t, s, store.Node("node2"), 0)

		var waits []*listWaiting
		for _, l := range listsOf(placed(2)) {
			waits = append(waits, waitList(t.Context(), s, l, store.QueryOptions{MinQueryIndex: last}))
		}
		synctest.Wait()
		gone := remove(t, s, idOf(2))
		for _, w := range waits {
			want := store.ListResult{Index: gone, Outcome: store.Changed, Gone: []store.Departure{{ID: idOf(2), Index: gone, Reason: store.Removed}}}
			require.Equal(t, want, w.returned(t), "%v", w.list.sel)
		}
		r, err = waitNow(t, s, store.Everything(), 0)
		require.NoError(t, err)
		require.Equal(t, others, r.Changed)
		require.NoError(t, s.Close())
	})
}

// requireFollowGoesOn requires that the beginning of a stream tells of one damaged member, and
// goes on with n others.
func requireFollowGoesOn(t *testing.T, s *store.Store, sel store.Selector, n int) {
	t.Helper()
	faults := 0
	for ch, err := range s.Follow(t.Context(), sel, 0) {
		switch {
		case err != nil:
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.Equal(t, store.ListChange{}, ch)
			faults++
			continue
		case ch.Alloc != nil:
			n--
			continue
		}
		require.Equal(t, store.ListChange{Index: s.LastIndex(), Complete: true}, ch)
		break
	}
	require.Equal(t, []int{1, 0}, []int{faults, n}, "%v", sel)
}

// TestListsOfUnknownPlacement damages the scheduler's part of an allocation, so that it may be in any
// list of a node, a job or an evaluation. Each of these tells of it.
func TestListsOfUnknownPlacement(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the scheduler's part")
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, path, &store.Options{Logger: silent})
		q := quarantined{damage: damages["the scheduler's part"], t: t}
		last := s.LastIndex()
		named := map[store.Selector]int{store.Node("node1"): 0, store.Node("node0"): 1, store.Node("nowhere"): 0, store.Job("job"): 5, store.Eval("eval"): 5, store.Job("no"): 0}
		var waits []*listWaiting
		for sel, members := range named {
			for v := range 4 {
				l := modelList{sel: sel}.variant(v&1 != 0, v&2 != 0)
				r, err := waitNow(t, s, l.sel, 0)
				q.requireDamage(err)
				live := members
				if l.nonTerminal {
					live = max(members-1, 0) // the first allocation has completed
				}
				require.Len(t, r.Changed, live, "%v", l.sel)
				waits = append(waits, waitList(t.Context(), s, l, store.QueryOptions{MinQueryIndex: last}))
			}
			requireFollowGoesOn(t, s, sel, members)
			n, err := s.Len(sel)
			q.requireDamage(err)
			require.Equal(t, members, n, "Len of %v has the others", sel)
		}
		_, err := waitNow(t, s, store.Prefix("00000002"), 0)
		require.NoError(t, err, "a prefix that the allocation has not")
		_, err = waitNow(t, s, store.Prefix("00000001"), 0)
		q.requireDamage(err)
		other := waitList(t.Context(), s, modelList{sel: store.Prefix("00000002")}, store.QueryOptions{MinQueryIndex: last})
		synctest.Wait()
		gone := remove(t, s, idOf(1))
		for _, w := range waits {
			want := store.ListResult{Index: gone, Outcome: store.Changed, Gone: []store.Departure{{ID: idOf(1), Index: gone, Reason: store.Removed}}}
			require.Equal(t, want, w.returned(t), "%v", w.list.sel)
		}
		other.blocked(t, "another prefix")
		time.Sleep(store.LongestMaxQueryTime)
		require.Equal(t, store.TimedOut, other.returned(t).Outcome)
		for sel := range named {
			_, err := waitNow(t, s, sel, 0)
			require.NoError(t, err)
		}
		require.NoError(t, s.Close())
	})
}

// TestFollowPassesDeletionOfQuarantined deletes a damaged allocation while its lists are followed.
func TestFollowPassesDeletionOfQuarantined(t *testing.T) {
	t.Parallel()
	for name, d := range damages {
		if len(d.allocs) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, _ := damagedStore(t, name)
			s := openToClose(t, path, &store.Options{Logger: silent})
			n := d.allocs[0]
			selectors := []store.Selector{store.Everything(), store.Node(fmt.Sprint("node", n)), store.Job("job").NonTerminal(), store.Prefix(idOf(n)).Placements()}
			if d.unknownPlacement {
				selectors = append(selectors, store.Node("nowhere"), store.Node("nowhere").NonTerminal().Placements())
			}
			last := s.LastIndex()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var streams []func() (store.ListChange, error, bool)
			for _, sel := range selectors {
				next, stop := iter.Pull2(s.Follow(ctx, sel, last))
				defer stop()
				streams = append(streams, next)
			}
			gone := remove(t, s, idOf(n))
			back := upsert(t, s, placed(n))
			for i, next := range streams {
				ch, err, _ := next()
				require.NoError(t, err, "%v", selectors[i])
				require.Equal(t, store.ListChange{Index: gone, Gone: &store.Departure{ID: idOf(n), Index: gone, Reason: store.Removed}}, ch, "%v", selectors[i])
				if i < 2 {
					ch, err, _ = next()
					require.NoError(t, err, "%v", selectors[i])
					require.Equal(t, store.ListChange{Index: back, Alloc: mustGet(t, s, n)}, ch, "%v", selectors[i])
				}
			}
			require.NoError(t, s.Close())
		})
	}
}

// TestFollowPassesReplacedQuarantined replaces an allocation of unknown placement in one batch. In its
// new lists it is news; it has left all others.
func TestFollowPassesReplacedQuarantined(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the scheduler's part")
	s := openToClose(t, path, &store.Options{Logger: silent})
	last := s.LastIndex()
	var b store.Batch
	b.Delete(idOf(1))
	b.Upsert(placed(1))
	at := apply(t, s, &b)
	moved := store.ListChange{Index: at, Gone: &store.Departure{ID: idOf(1), Index: at, Reason: store.Moved}}
	news := store.ListChange{Index: at, Alloc: mustGet(t, s, 1)}
	for sel, want := range map[store.Selector]store.ListChange{
		store.Everything(): news, store.Node("node1").Placements(): news, store.Job("job"): news, store.Node("nowhere"): moved, store.Eval("no").NonTerminal(): moved,
	} {
		for ch, err := range s.Follow(t.Context(), sel, last) {
			require.NoError(t, err, "%v", sel)
			require.Equal(t, want, ch, "%v", sel)
			break
		}
		r, err := waitNow(t, s, sel, last)
		require.NoError(t, err)
		if want.Gone != nil {
			require.Equal(t, store.ListResult{Index: at, Outcome: store.Changed, Gone: []store.Departure{*want.Gone}}, r, "%v", sel)
		} else {
			require.Equal(t, store.ListResult{Index: at, Outcome: store.Changed, Changed: []*schema.Allocation{want.Alloc}}, r, "%v", sel)
		}
	}
	require.NoError(t, s.Close())
}
