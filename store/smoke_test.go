package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

func mkid(i int) string {
	var id schema.ID
	binary.BigEndian.PutUint64(id[:], uint64(i)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(id[8:], uint64(i))
	return id.String()
}

func mk(i int) *schema.Allocation {
	return &schema.Allocation{ID: mkid(i), EvalID: "e", Name: "n", NodeID: fmt.Sprint("node", i%50), JobID: fmt.Sprint("job", i/1000), TaskGroup: "cache", DesiredStatus: "run", ClientStatus: "pending",
		Job: &schema.Job{ID: fmt.Sprint("job", i/1000), TaskGroups: []schema.TaskGroup{{Name: "cache", Tasks: []schema.Task{{Name: "redis", Config: map[string]any{"image": "redis:latest"}}}}}}}
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := store.Open(path, nil)
	require.NoError(t, err)
	a, err := s.Upsert(ctx, mk(1), mk(2))
	require.NoError(t, err)
	require.Equal(t, uint64(2), a.Index)
	g, err := s.Get(mkid(1))
	require.NoError(t, err)
	require.Equal(t, uint64(2), g.ModifyIndex)
	for i := range 11 {
		_, err := s.AppendTaskEvent(ctx, mkid(1), "redis", "running", schema.TaskEvent{Type: "Started", Time: int64(i + 1)})
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := s.Wait(ctx, mkid(2), store.QueryOptions{MinQueryIndex: 2, MaxQueryTime: time.Minute})
		require.NoError(t, err)
		require.Equal(t, store.Deleted, r.Outcome)
	})
	time.Sleep(10 * time.Millisecond)
	_, err = s.Delete(ctx, mkid(2))
	require.NoError(t, err)
	wg.Wait()
	_, err = store.Open(path, &store.Options{LockTimeout: -1})
	require.ErrorIs(t, err, store.ErrLocked)
	require.NoError(t, s.Close())
	s, err = store.Open(path, nil)
	require.NoError(t, err)
	g2, err := s.Get(mkid(1))
	require.NoError(t, err)
	require.Equal(t, 10, g2.TaskStates["redis"].Events.Len())
	require.Equal(t, uint64(1), g2.TaskStates["redis"].Events.Dropped())
	n := 0
	c2, cancel := context.WithCancel(ctx)
	for ch, err := range s.Changes(c2, 0) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		n++
		if ch.Index == s.LastIndex() {
			cancel()
		}
	}
	cancel()
	require.Equal(t, 14, n)
	require.NoError(t, s.Close())
}

func BenchmarkUpdate256(b *testing.B) {
	ctx := context.Background()
	s, err := store.Open(filepath.Join(b.TempDir(), "s.db"), nil)
	require.NoError(b, err)
	const N = 300000
	t0 := time.Now()
	for i := 0; i < N; i += 1000 {
		var ba store.Batch
		for j := range 1000 {
			ba.Upsert(mk(i + j))
		}
		_, err := s.Apply(ctx, &ba)
		require.NoError(b, err)
	}
	b.Logf("placed at %.0f/s", N/time.Since(t0).Seconds())
	b.ResetTimer()
	var wg sync.WaitGroup
	per := b.N/256 + 1
	t0 = time.Now()
	for w := range 256 {
		wg.Go(func() {
			for k := range per {
				i := (w*7919 + k*104729) % N
				ts := &schema.TaskState{State: "running"}
				ts.Events.Append(schema.TaskEvent{Type: "Started", Time: int64(k + 1)})
				_, err := s.UpdateFromClient(ctx, &schema.Allocation{ID: mkid(i), ClientStatus: "running", TaskStates: map[string]*schema.TaskState{"redis": ts}})
				require.NoError(b, err)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(per*256)/time.Since(t0).Seconds(), "updates/s")
	b.StopTimer()
	st := s.Stats()
	b.Logf("%+v", st)
	require.NoError(b, s.Close())
}
