package nomadtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

const id = "203266e5-e0d6-9486-5e05-397ed2b184af"

// start serves a store with the documented allocation, and returns it with a client.
func start(t *testing.T) (*store.Store, *api.Client) {
	t.Helper()
	s := storetest.Open(t)
	text, err := os.ReadFile("../../../testdata/allocation.json")
	require.NoError(t, err)
	a, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	_, err = s.Upsert(t.Context(), a)
	require.NoError(t, err)
	server := httptest.NewServer(httpapi.New(s, &httpapi.Options{DisplayMessages: true}))
	client, err := api.NewClient(&api.Config{Address: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s, client
}

// TestReads compares the client's allocation with the documented one.
func TestReads(t *testing.T) {
	t.Parallel()
	s, client := start(t)
	a, meta, err := client.Allocations().Info(id, &api.QueryOptions{AllowStale: true})
	require.NoError(t, err)
	require.Equal(t, s.LastIndex(), meta.LastIndex)
	require.True(t, meta.KnownLeader)
	require.Zero(t, meta.LastContact)

	require.Equal(t, id, a.ID)
	require.Equal(t, "example.cache[0]", a.Name)
	require.Equal(t, "e02b6169-83bd-9df6-69bd-832765f333eb", a.NodeID)
	require.Equal(t, "cache", a.TaskGroup)
	require.Equal(t, s.LastIndex(), a.ModifyIndex)
	resources, perTask := a.Resources, a.TaskResources //lint:ignore SA1019 they are the documented ones
	require.Equal(t, 500, *resources.CPU)
	require.Equal(t, 10, *resources.Networks[0].MBits)
	require.Equal(t, 20802, perTask["redis"].Networks[0].DynamicPorts[0].Value)
	require.Equal(t, 10*time.Second, *a.Job.Update.Stagger)
	require.Equal(t, "redis:latest", a.Job.TaskGroups[0].Tasks[0].Config["image"])
	require.Equal(t, 25*time.Second, *a.Job.TaskGroups[0].RestartPolicy.Delay)
	require.InDelta(t, 6.133651487695705, a.Metrics.Scores["e02b6169-83bd-9df6-69bd-832765f333eb.binpack"], 0)
	require.Equal(t, 1590406*time.Nanosecond, a.Metrics.AllocationTime)
	redis := a.TaskStates["redis"]
	require.Equal(t, "running", redis.State)
	require.Len(t, redis.Events, 1)
	require.Equal(t, api.TaskStarted, redis.Events[0].Type)
	require.EqualValues(t, 1447806038427841000, redis.Events[0].Time)
	require.Equal(t, "The task is up", redis.Events[0].DisplayMessage)
}

// TestBlocks has the client block until the allocation changes, until the time is over, and until the
// allocation is deleted.
func TestBlocks(t *testing.T) {
	t.Parallel()
	s, client := start(t)
	type answer struct {
		*api.Allocation
		*api.QueryMeta
		err error
	}
	info := func(wait time.Duration, index uint64) chan answer {
		ch := make(chan answer, 1)
		go func() {
			a, meta, err := client.Allocations().Info(id, &api.QueryOptions{WaitIndex: index, WaitTime: wait})
			ch <- answer{a, meta, err}
		}()
		return ch
	}
	blocked := func() {
		require.Eventually(t, func() bool { return s.Stats().Waiters == 1 }, 20*time.Second, time.Millisecond)
	}
	last := s.LastIndex()
	changes := info(time.Minute, last)
	blocked()
	applied, err := s.AppendTaskEvent(t.Context(), id, "redis", "dead", schema.TaskEvent{Type: schema.TaskTerminated, Time: 1447806038427841001, ExitCode: 137})
	require.NoError(t, err)
	got := <-changes
	require.NoError(t, got.err)
	require.Equal(t, applied.Index, got.LastIndex)
	redis := got.TaskStates["redis"]
	require.Equal(t, "dead", redis.State)
	require.Equal(t, 137, redis.Events[1].ExitCode)
	require.EqualValues(t, 1447806038427841001, redis.FinishedAt.UnixNano())

	began := time.Now()
	got = <-info(50*time.Millisecond, applied.Index)
	require.NoError(t, got.err)
	require.Equal(t, applied.Index, got.LastIndex, "it timed out, with the current state")
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)

	deleted := info(time.Minute, applied.Index)
	blocked()
	_, err = s.Delete(t.Context(), id)
	require.NoError(t, err)
	got = <-deleted
	require.ErrorContains(t, got.err, "alloc not found")
	_, _, err = client.Allocations().Info(id, nil)
	var refused api.UnexpectedResponseError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusNotFound, refused.StatusCode())
}

// TestMisused has the client send an invalid ID and an unknown region.
func TestMisused(t *testing.T) {
	t.Parallel()
	_, client := start(t)
	_, _, err := client.Allocations().Info("x", nil)
	require.ErrorContains(t, err, "400")
	_, _, err = client.Allocations().Info(id, &api.QueryOptions{Region: "mars"})
	require.ErrorContains(t, err, "No path to region")
}
