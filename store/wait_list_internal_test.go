package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// blockedListWait returns a blocked wait for a list, whose goroutine does not run yet.
func blockedListWait(t *testing.T, s *Store, sel Selector, min uint64) *listWait {
	t.Helper()
	l, r, err := s.beginList(t.Context(), watch.NewWaiter(), sel, QueryOptions{MinQueryIndex: min})
	require.NoError(t, err)
	require.Nil(t, r)
	t.Cleanup(func() { s.watch.Deregister(l.w) })
	return l
}

// TestListForgottenBeforeWake deletes the only member of a list that a reader waits for, and forgets
// the deletion, and with it the list, before the reader runs.
func TestListForgottenBeforeWake(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{FeedRetention: -1})
	upsert(t, s, testAlloc(1))
	l := blockedListWait(t, s, Node("node"), s.LastIndex())
	_, err := s.Delete(t.Context(), testAlloc(1).ID)
	require.NoError(t, err)
	other := testAlloc(2)
	other.NodeID = "other"
	upsert(t, s, other)
	require.NoError(t, s.Sweep(t.Context()))
	require.Equal(t, s.LastIndex(), s.ListsFloor())
	<-l.w.C()
	r, err := l.wake()
	require.NoError(t, err)
	require.NotNil(t, r, "the deletion is lost")
	require.Equal(t, Compacted, r.Outcome)
}

// TestListForgottenBeforeRegistration does the same between a reader's first look and its registration.
func TestListForgottenBeforeRegistration(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{FeedRetention: -1})
	upsert(t, s, testAlloc(1))
	other := testAlloc(2)
	other.NodeID = "other"
	upsert(t, s, other)
	q, err := Node("node").query()
	require.NoError(t, err)
	l := &listWait{s: s, w: watch.NewWaiter(), q: q, base: 2}
	class, id := q.Watch()
	l.w.WatchClass(l.base, watch.Class(class), id)
	defer s.watch.Deregister(l.w)
	r, err := l.look(0)
	require.NoError(t, err)
	require.Nil(t, r)
	_, err = s.Delete(t.Context(), testAlloc(1).ID)
	require.NoError(t, err)
	require.NoError(t, s.Sweep(t.Context()))
	r, err = l.register()
	require.NoError(t, err)
	require.NotNil(t, r, "the deletion is lost")
	require.Equal(t, Compacted, r.Outcome)
}
