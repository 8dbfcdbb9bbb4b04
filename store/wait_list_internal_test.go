package store

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// blockedListWait returns a blocked wait for a list, whose goroutine does not run yet.
func blockedListWait(t *testing.T, s *Store, sel Selector, min uint64) *listWait {
	t.Helper()
	l, err := s.newListWait(watch.NewWaiter(), sel, min)
	require.NoError(t, err)
	r, err := l.begin(t.Context(), time.Hour)
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
	l, err := s.newListWait(watch.NewWaiter(), Node("node"), 2)
	require.NoError(t, err)
	defer s.watch.Deregister(l.w)
	r, err := l.result(0)
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

// TestListForgottenAfterExpiry runs out of a wait's time. Then the only member is deleted and the list
// is forgotten, before the reader runs: it is not told that nothing has changed.
func TestListForgottenAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t, &Options{FeedRetention: -1})
		upsert(t, s, testAlloc(1))
		for _, late := range []bool{false, true} {
			l := blockedListWait(t, s, Node("node"), s.LastIndex())
			other := testAlloc(2)
			other.NodeID = "other"
			upsert(t, s, other)
			_, err := s.Delete(t.Context(), other.ID)
			require.NoError(t, err)
			require.NoError(t, s.Sweep(t.Context()), "a floor that rises while the reader is blocked")
			require.Equal(t, s.LastIndex(), s.ListsFloor())
			time.Sleep(LongestMaxQueryTime)
			want := TimedOut
			if late {
				want = Compacted
				_, err := s.Delete(t.Context(), testAlloc(1).ID)
				require.NoError(t, err)
				require.NoError(t, s.Sweep(t.Context()))
			}
			<-l.w.C()
			r, err := l.wake()
			require.NoError(t, err)
			require.NotNil(t, r)
			require.Equal(t, want, r.Outcome)
			s.watch.Deregister(l.w)
		}
	})
}
