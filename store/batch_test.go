package store_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestBatchReset uses one batch again and again: applied, refused, with faults, and withdrawn from
// the queue by its context. After Reset it has only the writes that were added since, and the
// writes of before are untouched in the store.
func TestBatchReset(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "reset.db"), &store.Options{ResidentBytes: 1})
	upsert(t, s, placed(0))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	var b store.Batch
	for n := 1; n < 200; n++ {
		b.Reset()
		require.Zero(t, b.Len())
		a := placed(n)
		a.Name, a.Job.Name = strings.Repeat(fmt.Sprint(n), n), fmt.Sprint("job ", n%7)
		b.Upsert(a)
		b.AppendTaskEvent(idOf(n), "web", "running", schema.TaskEvent{Type: schema.TaskStarted, Time: int64(n)})
		b.SetDesiredStatus(idOf(n), "run", fmt.Sprint("desired ", n))
		switch n % 4 {
		case 0:
			b.Delete("no ID")
			_, err := s.Apply(t.Context(), &b)
			require.ErrorIs(t, err, store.ErrInvalidID)
			continue
		case 1:
			b.Upsert(&schema.Allocation{ID: idOf(1000)})
			_, err := s.Apply(t.Context(), &b)
			require.ErrorIs(t, err, store.ErrNoJob)
			continue
		case 2:
			_, err := s.Apply(canceled, &b)
			require.ErrorIs(t, err, context.Canceled)
			continue
		}
		last := apply(t, s, &b)
		repeated, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
		require.Equal(t, store.Applied{Index: last, Unchanged: 3}, repeated, "a batch is not emptied by Apply")
	}
	for n := 1; n < 200; n++ {
		got, err := s.Get(idOf(n))
		if n%4 != 3 {
			require.ErrorIs(t, err, store.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(fmt.Sprint(n), n), got.Name)
		require.Equal(t, []string{fmt.Sprint("job ", n%7), fmt.Sprint("desired ", n)}, []string{got.Job.Name, got.DesiredDescription})
		require.Equal(t, 1, got.TaskStates["web"].Events.Len())
	}
}

// TestBatchResetAfterCancel resets and fills a batch as soon as its Apply has returned, whose
// context ends at any time: before, while and after it is in the queue and committed. The
// committer never sees the next writes as a part of the batch before.
func TestBatchResetAfterCancel(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "cancel.db"), nil)
	upsert(t, s, placed(1<<20))
	var busy sync.WaitGroup // keeps batches in the queue
	done := make(chan struct{})
	defer busy.Wait()
	defer close(done)
	busy.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := s.SetClientStatus(context.Background(), idOf(1<<20), fmt.Sprint(n), ""); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var b store.Batch
	committed, withdrawn := 0, 0
	for n := 0; n < 2000 || committed == 0 || withdrawn == 0; n++ {
		require.Less(t, n, 100_000, "one of the two ends never happened: %d committed, %d withdrawn", committed, withdrawn)
		b.Reset()
		x, y := placed(2*n), placed(2*n+1)
		x.Name, y.Name = fmt.Sprint(n), fmt.Sprint(n)
		b.Upsert(x)
		b.Upsert(y)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range n % 50 {
				runtime.Gosched()
			}
			cancel()
		}()
		_, err := s.Apply(ctx, &b)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, 1+2*committed, s.Stats().Allocations, "a batch whose Apply was canceled is not committed, now or later")
			withdrawn++
			continue
		}
		committed++
		require.Equal(t, fmt.Sprint(n), mustGet(t, s, 2*n).Name)
		require.Equal(t, fmt.Sprint(n), mustGet(t, s, 2*n+1).Name)
	}
}
