package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// readersDuringCatchUp are blocked at index 6 when the replica catches up. Each returns a word for
// how it ended.
var readersDuringCatchUp = map[string]func(ctx context.Context, s *store.Store) string{
	"Wait for a changed one":   func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 2) },
	"Wait for one that stays":  func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 3) },
	"Wait for a deleted one":   func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 4) },
	"Wait for one that is not": func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 99) },
	"WaitAny, one changed":     func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 3, 2) },
	"WaitAny, none changed":    func(ctx context.Context, s *store.Store) string { return waited(ctx, s, 3, 5) },
	"WaitList, one changed":    func(ctx context.Context, s *store.Store) string { return listed(ctx, s, store.Node("node2")) },
	"WaitList, none changed":   func(ctx context.Context, s *store.Store) string { return listed(ctx, s, store.Node("node3")) },
	"WaitList, one deleted":    func(ctx context.Context, s *store.Store) string { return listed(ctx, s, store.Node("node4")) },
	"WaitList, never any":      func(ctx context.Context, s *store.Store) string { return listed(ctx, s, store.Node("node99")) },
	"Follow, one changed":      func(ctx context.Context, s *store.Store) string { return streamed(ctx, s, store.Node("node2")) },
	"Follow, none changed":     func(ctx context.Context, s *store.Store) string { return streamed(ctx, s, store.Node("node3")) },
	"Follow, one deleted":      func(ctx context.Context, s *store.Store) string { return streamed(ctx, s, store.Node("node4")) },
	"Changes": func(ctx context.Context, s *store.Store) string {
		for ch, err := range s.Changes(ctx, 6) {
			return feedEnd(ch.Index, err)
		}
		return "nothing"
	},
}

func waited(ctx context.Context, s *store.Store, ids ...int) string {
	var names []string
	for _, id := range ids {
		names = append(names, idOf(id))
	}
	r, err := s.WaitAny(ctx, names, store.QueryOptions{MinQueryIndex: 6, MaxQueryTime: time.Minute})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v at %d", r.Outcome, r.Index)
}

func listed(ctx context.Context, s *store.Store, sel store.Selector) string {
	r, err := s.WaitList(ctx, sel, store.QueryOptions{MinQueryIndex: 6, MaxQueryTime: time.Minute})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v at %d, %d changed, %d gone", r.Outcome, r.Index, len(r.Changed), len(r.Gone))
}

func streamed(ctx context.Context, s *store.Store, sel store.Selector) string {
	for ch, err := range s.Follow(ctx, sel, 6) {
		return feedEnd(ch.Index, err)
	}
	return "nothing"
}

func feedEnd(index uint64, err error) string {
	switch {
	case errors.Is(err, store.ErrRestored):
		return "ErrRestored"
	case errors.Is(err, store.ErrCompacted):
		return "ErrCompacted"
	case errors.Is(err, context.DeadlineExceeded):
		return "blocked"
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint("change at ", index)
}

// TestReadersDuringCatchUp has readers of all kinds blocked when the store catches up, from
// histories with a low and with a high floor, and with a mark. A reader returns if there is
// something for it, and waits its time otherwise.
func TestReadersDuringCatchUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more []store.Entry // at the end
		want map[string]string
	}{
		"low floor": {nil, map[string]string{
			"Wait for a changed one": "Changed at 10", "Wait for one that stays": "TimedOut at 6", "Wait for a deleted one": "Deleted at 11",
			"Wait for one that is not": "TimedOut at 12", "WaitAny, one changed": "Changed at 10", "WaitAny, none changed": "TimedOut at 12",
			"WaitList, one changed": "Changed at 10, 1 changed, 0 gone", "WaitList, none changed": "TimedOut at 12, 0 changed, 0 gone",
			"WaitList, one deleted": "Changed at 11, 0 changed, 1 gone", "WaitList, never any": "TimedOut at 12, 0 changed, 0 gone",
			"Follow, one changed": "change at 10", "Follow, none changed": "blocked", "Follow, one deleted": "change at 11", "Changes": "change at 10",
		}},
		"high floor": {[]store.Entry{{Index: 20, Limits: store.Limits{Floor: 12}}}, map[string]string{
			"Wait for a changed one": "Changed at 10", "Wait for one that stays": "TimedOut at 6", "Wait for a deleted one": "Compacted at 12",
			"Wait for one that is not": "Compacted at 12", "WaitAny, one changed": "Changed at 10", "WaitAny, none changed": "TimedOut at 12",
			"WaitList, one changed": "Compacted at 12, 1 changed, 0 gone", "WaitList, none changed": "Compacted at 12, 1 changed, 0 gone",
			"WaitList, one deleted": "Compacted at 12, 0 changed, 0 gone", "WaitList, never any": "Compacted at 12, 0 changed, 0 gone",
			"Follow, one changed": "ErrCompacted", "Follow, none changed": "ErrCompacted", "Follow, one deleted": "ErrCompacted", "Changes": "ErrCompacted",
		}},
		"mark": {[]store.Entry{{Index: 20, Mark: true}}, map[string]string{
			"Wait for a changed one": "Restored at 20", "Wait for one that stays": "Restored at 20", "Wait for a deleted one": "Restored at 20",
			"Wait for one that is not": "Restored at 20", "WaitAny, one changed": "Restored at 20", "WaitAny, none changed": "Restored at 20",
			"WaitList, one changed": "Restored at 20, 1 changed, 0 gone", "WaitList, none changed": "Restored at 20, 1 changed, 0 gone",
			"WaitList, one deleted": "Restored at 20, 0 changed, 0 gone", "WaitList, never any": "Restored at 20, 0 changed, 0 gone",
			"Follow, one changed": "ErrRestored", "Follow, none changed": "ErrRestored", "Follow, one deleted": "ErrRestored", "Changes": "ErrRestored",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ahead := replicaOf(t, store.Options{FeedRetention: -1})
			applyEach(t, ahead, 2, 3, 4, 5, 6)
			behind, _ := backupOf(t, ahead)
			_, err := ahead.ApplyEntries(t.Context(), append([]store.Entry{
				entryOf(10, func(b *store.Batch) { b.SetClientStatus(idOf(2), "running", "") }),
				entryOf(11, func(b *store.Batch) { b.Delete(idOf(4)) }),
				entryOf(12, func(b *store.Batch) { b.SetClientStatus(idOf(6), "running", "") }),
			}, c.more...))
			require.NoError(t, err)
			require.NoError(t, ahead.Compact(t.Context()))
			stream, _ := backupOf(t, ahead)
			synctest.Test(t, func(t *testing.T) {
				s := openToClose(t, tempPath(t, "behind.db"), &store.Options{Replicated: true, FeedRetention: -1})
				defer shut(t, s)
				require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(behind)))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				type end struct{ reader, how string }
				ends, got := make(chan end, len(readersDuringCatchUp)), map[string]string{}
				for reader, run := range readersDuringCatchUp {
					go func() { ends <- end{reader, run(ctx, s)} }()
				}
				synctest.Wait()
				require.Empty(t, ends, "all are blocked")
				before := time.Now()
				require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream)))
				synctest.Wait()
				require.Equal(t, before, time.Now(), "no reader is left to a timer")
				for range len(ends) {
					e := <-ends
					require.NotContains(t, e.how, "TimedOut", "%s was woken for nothing", e.reader)
					got[e.reader] = e.how
				}
				for len(got) < len(readersDuringCatchUp) {
					e := <-ends
					got[e.reader] = e.how
				}
				require.Equal(t, c.want, got)
			})
		})
	}
}
