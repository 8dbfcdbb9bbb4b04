package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestWaitList goes through the life of one list: arrival, change, end, move, deletion.
func TestWaitList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, tempPath(t, "list.db"), nil)
		ctx := t.Context()
		node := store.Node("node").NonTerminal()
		wait := func(min uint64) store.ListResult {
			t.Helper()
			r, err := s.WaitList(ctx, node, store.QueryOptions{MinQueryIndex: min})
			require.NoError(t, err)
			return r
		}
		require.Equal(t, store.ListResult{Index: 1, Outcome: store.Changed, Full: true}, wait(0), "a list that has had no member")
		results := make(chan store.ListResult)
		await := func(min uint64, write func()) store.ListResult {
			t.Helper()
			go func() { results <- wait(min) }()
			synctest.Wait()
			select {
			case r := <-results:
				t.Fatalf("%+v without a change", r)
			default:
			}
			write()
			return <-results
		}
		a := placed(1)
		a.NodeID = "node"
		r := await(1, func() { upsert(t, s, a) })
		require.Equal(t, store.ListResult{Index: 2, Outcome: store.Changed, Changed: []*schema.Allocation{mustGet(t, s, 1)}}, r)
		other := placed(2)
		r = await(2, func() {
			upsert(t, s, other) // elsewhere
			_, err := s.SetClientStatus(ctx, a.ID, "running", "")
			require.NoError(t, err)
		})
		require.Equal(t, store.ListResult{Index: 4, Outcome: store.Changed, Changed: []*schema.Allocation{mustGet(t, s, 1)}}, r)
		r = await(4, func() {
			_, err := s.SetClientStatus(ctx, a.ID, "complete", "")
			require.NoError(t, err)
		})
		require.Equal(t, store.ListResult{Index: 5, Outcome: store.Changed, Gone: []store.Departure{{ID: a.ID, Index: 5, Reason: store.Terminated}}}, r)
		r = await(5, func() {
			_, err := s.SetClientStatus(ctx, a.ID, "running", "")
			require.NoError(t, err)
		})
		require.Len(t, r.Changed, 1)
		moved := mustGet(t, s, 1).Clone()
		moved.NodeID = "other"
		r = await(6, func() { upsert(t, s, moved) })
		require.Equal(t, []store.Departure{{ID: a.ID, Index: 7, Reason: store.Moved}}, r.Gone)
		r = await(7, func() { time.Sleep(store.LongestMaxQueryTime) })
		require.Equal(t, store.ListResult{Index: 7, Outcome: store.TimedOut}, r)
		moved.NodeID = "node"
		require.Len(t, await(7, func() { upsert(t, s, moved) }).Changed, 1)
		r = await(8, func() { remove(t, s, a.ID) })
		require.Equal(t, []store.Departure{{ID: a.ID, Index: 9, Reason: store.Removed}}, r.Gone)
		r = wait(1)
		require.Equal(t, []store.Departure{{ID: a.ID, Index: 9, Reason: store.Removed}}, r.Gone, "only the latest departure")
		require.Equal(t, uint64(9), r.Index)
		_, err := s.WaitList(ctx, store.Selector{}, store.QueryOptions{})
		require.ErrorIs(t, err, store.ErrInvalid)
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		_, err = s.WaitList(canceled, node, store.QueryOptions{MinQueryIndex: 100})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestExpect has conditions that hold and that do not, also on what the same batch and the batches of
// the same commit write.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "list.db"), nil)
	ctx := t.Context()
	a := placed(1)
	a.NodeID = "node"
	var b store.Batch
	b.Expect(a.ID, 0)
	b.ExpectList(store.Node("node"), 1)
	b.Upsert(a)
	_, err := s.Apply(ctx, &b)
	require.NoError(t, err)
	_, err = s.Apply(ctx, &b)
	var conflict *store.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, &store.ConflictError{ID: a.ID, Expected: 0, Actual: 2}, conflict)
	for _, sel := range []store.Selector{store.Node("node"), store.Job(a.JobID), store.Everything(), store.Prefix(a.ID[:5]), store.Node("node").NonTerminal().Placements()} {
		b.Reset()
		b.ExpectList(sel, 1)
		b.Delete(a.ID)
		_, err = s.Apply(ctx, &b)
		require.ErrorAs(t, err, &conflict, "%v", sel)
		require.Equal(t, &store.ConflictError{List: sel, Expected: 1, Actual: 2}, conflict)
	}
	_, err = s.SetClientStatus(ctx, a.ID, "running", "")
	require.NoError(t, err)
	b.Reset()
	b.ExpectList(store.Node("node").Placements(), 2)
	b.Expect(a.ID, 3)
	_, err = s.Apply(ctx, &b)
	require.NoError(t, err)
	b.ExpectList(store.Node("node"), 2)
	_, err = s.Apply(ctx, &b)
	require.ErrorIs(t, err, store.ErrConflict)
	require.Equal(t, uint64(3), s.LastIndex())
}

// TestFollow follows a list from its beginning.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "list.db"), nil)
	a, other := placed(1), placed(2)
	a.NodeID = "node"
	upsert(t, s, a, other)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for ch, err := range s.Follow(ctx, store.Node("node").NonTerminal(), 0) {
		if n == 6 {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		require.NoError(t, err)
		switch n++; n {
		case 1:
			require.Equal(t, store.ListChange{Index: 2, Alloc: mustGet(t, s, 1)}, ch)
		case 2:
			require.Equal(t, store.ListChange{Index: 2, Complete: true}, ch)
			_, err := s.SetClientStatus(ctx, other.ID, "running", "")
			require.NoError(t, err)
			_, err = s.SetClientStatus(ctx, a.ID, "running", "")
			require.NoError(t, err)
		case 3:
			require.Equal(t, store.ListChange{Index: 4, Alloc: mustGet(t, s, 1)}, ch)
			_, err := s.SetClientStatus(ctx, a.ID, "failed", "")
			require.NoError(t, err)
			remove(t, s, a.ID)
			a.NodeID = "node"
			upsert(t, s, a)
		case 4:
			require.Equal(t, store.ListChange{Index: 5, Gone: &store.Departure{ID: a.ID, Index: 5, Reason: store.Terminated}}, ch)
		case 5:
			require.Equal(t, store.ListChange{Index: 7, Alloc: mustGet(t, s, 1)}, ch)
			a.NodeID = "other"
			upsert(t, s, a)
		case 6:
			require.Equal(t, store.ListChange{Index: 8, Gone: &store.Departure{ID: a.ID, Index: 8, Reason: store.Moved}}, ch)
			cancel()
		}
	}
	require.Equal(t, 6, n)
}
