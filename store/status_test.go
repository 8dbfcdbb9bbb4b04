package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestStatusBesideEvents sets both statuses in loops while task events are acknowledged. No event
// is lost, and the last statuses stay. It writes both with and without decoded allocations in
// memory.
func TestStatusBesideEvents(t *testing.T) {
	t.Parallel()
	for _, resident := range []int64{0, 1} {
		t.Run(fmt.Sprint("resident=", resident), func(t *testing.T) {
			t.Parallel()
			s := open(t, tempPath(t, "status.db"), &store.Options{ResidentBytes: resident})
			const events, tasks = 500, 100 // so that no ring drops any
			upsert(t, s, placed(1))
			done := make(chan struct{})
			var setting sync.WaitGroup
			loop := func(set func(status string) (store.Applied, error)) {
				setting.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-done:
							return
						default:
						}
						if _, err := set(fmt.Sprint("status ", n)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			loop(func(status string) (store.Applied, error) { return s.SetClientStatus(t.Context(), idOf(1), status, "") })
			loop(func(status string) (store.Applied, error) {
				return s.SetDesiredStatus(t.Context(), idOf(1), status, "")
			})
			for n := range events {
				ev := schema.TaskEvent{Type: schema.TaskDriverMessage, Time: int64(n + 1)}
				_, err := s.AppendTaskEvent(t.Context(), idOf(1), fmt.Sprint("task", n%tasks), schema.TaskStateRunning, ev)
				require.NoError(t, err)
			}
			close(done)
			setting.Wait()
			_, err := s.SetClientStatus(t.Context(), idOf(1), "complete", "client")
			require.NoError(t, err)
			_, err = s.SetDesiredStatus(t.Context(), idOf(1), "stop", "scheduler")
			require.NoError(t, err)

			got, kept := mustGet(t, s, 1), 0
			for _, ts := range got.TaskStates {
				kept += ts.Events.Len()
			}
			require.Equal(t, events, kept, "every acknowledged event is there")
			require.Equal(t, []string{"complete", "client", "stop", "scheduler"},
				[]string{got.ClientStatus, got.ClientDescription, got.DesiredStatus, got.DesiredDescription})
			require.Equal(t, "node1", got.NodeID)
		})
	}
}

// TestJobIDFromJob places an allocation without a JobID. It takes the Job's and is found by it.
func TestJobIDFromJob(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "job.db"), nil)
	a := placed(1)
	a.JobID = ""
	upsert(t, s, a)
	require.Empty(t, a.JobID, "the caller's allocation is not changed")
	all, err := encoded(s.ByJob("job"))
	require.NoError(t, err)
	require.Equal(t, contentOf(t, s), all)
	require.Equal(t, "job", mustGet(t, s, 1).JobID)
}

// TestStatusRefuses sets statuses that cannot be stored. Nothing changes.
func TestStatusRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "refuse.db"), nil)
	last := upsert(t, s, placed(1))
	for _, set := range []func(ctx context.Context, id, status, description string) (store.Applied, error){s.SetClientStatus, s.SetDesiredStatus} {
		for _, c := range []struct {
			id, status, description string
			want                    error
		}{
			{"no ID", "lost", "", store.ErrInvalidID},
			{idOf(1), "", "why", store.ErrInvalid},
			{idOf(1), "caf\xe9", "", store.ErrInvalid},
			{idOf(1), "lost", "caf\xe9", store.ErrInvalid},
		} {
			_, err := set(t.Context(), c.id, c.status, c.description)
			require.ErrorIs(t, err, c.want, "%q", c)
		}
		applied, err := set(t.Context(), strings.ToUpper(idOf(0xab)), "lost", "")
		require.NoError(t, err)
		require.Equal(t, store.Applied{Index: last, Unknown: []string{idOf(0xab)}}, applied)
	}
	require.Equal(t, placed(1).ClientStatus, mustGet(t, s, 1).ClientStatus)
}
