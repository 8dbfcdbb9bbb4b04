package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// spoil changes an allocation that it gets from s in one of the ways to get one.
var spoil = map[string]func(t *testing.T, s *store.Store, id string){
	"Get": func(t *testing.T, s *store.Store, id string) {
		a, err := s.Get(id)
		require.NoError(t, err)
		a.Name = "spoilt"
	},
	"Wait": func(t *testing.T, s *store.Store, id string) {
		r, err := s.Wait(t.Context(), id, store.QueryOptions{})
		require.NoError(t, err)
		r.Alloc.TaskStates = map[string]*schema.TaskState{"spoilt": {}}
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
			ch.Alloc.ClientStatus = "spoilt"
			break
		}
	},
}

// TestDetectMutation changes what was handed out in every way, and expects the next
// reader, Check or Close to say so once, and who had it.
func TestDetectMutation(t *testing.T) {
	t.Parallel()
	for name, change := range spoil {
		for by, told := range map[string]func(*store.Store) error{
			"the next reader": func(s *store.Store) error { _, err := s.Get(idOf(1)); return err },
			"Check": func(s *store.Store) error {
				for err := range s.Check(context.Background()) {
					return err
				}
				return nil
			},
			"Close": (*store.Store).Close,
		} {
			t.Run(name+", found by "+by, func(t *testing.T) {
				t.Parallel()
				s, err := store.Open(filepath.Join(t.TempDir(), "mutation.db"), &store.Options{DetectMutation: true})
				require.NoError(t, err)
				defer s.Close()
				upsert(t, s, placed(1))
				_, err = s.Get(idOf(1))
				require.NoError(t, err)
				change(t, s, idOf(1))
				err = told(s)
				require.ErrorIs(t, err, store.ErrMutated)
				require.ErrorContains(t, err, idOf(1))
				require.ErrorContains(t, err, "TestDetectMutation", "who received it first")
				require.ErrorContains(t, err, "mutation_test.go")
				require.NoError(t, s.Close(), "it has been told")
			})
		}
	}
}

// TestMutationIsLookedForOnRequest only: a store without the option notices nothing.
func TestMutationIsLookedForOnRequest(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "mutation.db"), nil)
	require.NoError(t, err)
	upsert(t, s, placed(1))
	spoil["Get"](t, s, idOf(1))
	a, err := s.Get(idOf(1))
	require.NoError(t, err)
	require.Equal(t, "spoilt", a.Name)
	r, err := s.Wait(t.Context(), idOf(1), store.QueryOptions{MinQueryIndex: a.ModifyIndex, MaxQueryTime: time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, store.TimedOut, r.Outcome)
	require.NoError(t, s.Close())
}
