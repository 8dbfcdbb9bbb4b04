package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// mutate has a function for each way to get an allocation from a store. The function changes the
// allocation.
var mutate = map[string]func(t *testing.T, s *store.Store, id string){
	"Get": func(t *testing.T, s *store.Store, id string) {
		a, err := s.Get(id)
		require.NoError(t, err)
		a.Name = "mutated"
	},
	"Wait": func(t *testing.T, s *store.Store, id string) {
		r, err := s.Wait(t.Context(), id, store.QueryOptions{})
		require.NoError(t, err)
		r.Alloc.TaskStates = map[string]*schema.TaskState{"mutated": {}}
	},
	"a list": func(t *testing.T, s *store.Store, id string) {
		for a, err := range s.ByNode("node1") {
			require.NoError(t, err)
			a.Job.Priority++
		}
	},
	"a snapshot": func(t *testing.T, s *store.Store, id string) {
		sn, err := s.Snapshot()
		require.NoError(t, err)
		a, err := sn.Get(id)
		require.NoError(t, err)
		a.ModifyIndex++
		require.NoError(t, sn.Close())
	},
	"the feed": func(t *testing.T, s *store.Store, id string) {
		for ch, err := range s.Changes(t.Context(), 0) {
			require.NoError(t, err)
			ch.Alloc.ClientStatus = "mutated"
			break
		}
	},
}

// TestDetectMutation changes an allocation that the store handed out. The next reader, Check or
// Close reports it once, with the caller that received the allocation.
func TestDetectMutation(t *testing.T) {
	t.Parallel()
	for name, change := range mutate {
		for by, detect := range map[string]func(*store.Store) error{
			"the next reader": func(s *store.Store) error { _, err := s.Get(idOf(1)); return err },
			"Check":           func(s *store.Store) error { return errors.Join(store.Faults(s)...) },
			"Close":           (*store.Store).Close,
		} {
			t.Run(name+", found by "+by, func(t *testing.T) {
				t.Parallel()
				s, err := store.Open(tempPath(t, "mutation.db"), &store.Options{DetectMutation: true})
				require.NoError(t, err)
				defer s.Close()
				upsert(t, s, placed(1))
				_, err = s.Get(idOf(1))
				require.NoError(t, err)
				change(t, s, idOf(1))
				err = detect(s)
				require.ErrorIs(t, err, store.ErrMutated)
				require.ErrorContains(t, err, idOf(1))
				require.ErrorContains(t, err, "TestDetectMutation", "the caller that received it first")
				require.ErrorContains(t, err, "mutation_detector_test.go")
				require.NoError(t, s.Close(), "a mutation is reported once")
			})
		}
	}
}

// TestMutationWithoutDetection changes an allocation in a store without the option, which does
// not notice.
func TestMutationWithoutDetection(t *testing.T) {
	t.Parallel()
	s, err := store.Open(tempPath(t, "mutation.db"), nil)
	require.NoError(t, err)
	upsert(t, s, placed(1))
	mutate["Get"](t, s, idOf(1))
	a, err := s.Get(idOf(1))
	require.NoError(t, err)
	require.Equal(t, "mutated", a.Name)
	r, err := s.Wait(t.Context(), idOf(1), store.QueryOptions{MinQueryIndex: a.ModifyIndex, MaxQueryTime: time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, store.TimedOut, r.Outcome)
	require.NoError(t, s.Close())
}

// TestMutationNamesTheFeedsCaller changes an allocation that a feed handed out. The error names
// the loop over the feed, and no function of the store.
func TestMutationNamesTheFeedsCaller(t *testing.T) {
	t.Parallel()
	s, err := store.Open(tempPath(t, "feed.db"), &store.Options{DetectMutation: true})
	require.NoError(t, err)
	upsert(t, s, placed(1))
	for ch, err := range s.Changes(t.Context(), 0) {
		require.NoError(t, err)
		ch.Alloc.Name = "changed"
		break
	}
	err = s.Close()
	require.ErrorIs(t, err, store.ErrMutated)
	require.ErrorContains(t, err, "TestMutationNamesTheFeedsCaller")
}
