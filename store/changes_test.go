package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/record"
)

// endOf returns the error with which a feed ends at once, or nil if it has a change or blocks.
func endOf(s *Store, after uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for _, err := range s.Changes(ctx, after) {
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// TestFutureIndex asks for changes above the last index. The error has both numbers. The last
// index itself is not a future one, nor is one that Restore has made the last.
func TestFutureIndex(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	require.NoError(t, endOf(s, 1))
	upsert(t, s, testAlloc(1))
	require.NoError(t, endOf(s, 2))
	for _, after := range []uint64{3, 999, math.MaxUint64} {
		err := endOf(s, after)
		require.ErrorIs(t, err, ErrFutureIndex)
		var future *FutureIndexError
		require.ErrorAs(t, err, &future)
		require.Equal(t, FutureIndexError{Index: after, Last: 2}, *future)
	}
	require.EqualError(t, endOf(s, 999), "read changes: index 999 is above the last index, 2")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Changes(canceled, 999) {
		require.ErrorIs(t, err, context.Canceled)
	}

	var backup bytes.Buffer
	_, err := s.Backup(t.Context(), &backup)
	require.NoError(t, err)
	require.NoError(t, s.Restore(t.Context(), &backup))
	require.ErrorIs(t, endOf(s, 4), ErrFutureIndex)
	r, err := s.Wait(t.Context(), testAlloc(1).ID, QueryOptions{MinQueryIndex: 2})
	require.NoError(t, err)
	require.Equal(t, Restored, r.Outcome)
	require.NoError(t, endOf(s, r.Index))
	require.NoError(t, s.Close())
	require.ErrorIs(t, endOf(s, 999), ErrClosed)
}

// TestReturnedIndexIsNoFuture reads changes from the index of an allocation that was looked up
// while its batch was being published. Get may have an index above LastIndex, but Changes does not
// take it for a future one.
func TestReturnedIndexIsNoFuture(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	const allocs = 500
	var b Batch
	for n := range allocs {
		a := *testAlloc(1)
		a.ID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", n)
		b.Upsert(&a)
	}
	_, err := s.Apply(t.Context(), &b)
	require.NoError(t, err)
	var batches atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for ended := false; !ended; batches.Add(1) {
			var b Batch
			for i := range allocs {
				b.SetClientStatus(fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), fmt.Sprint(batches.Load()), "")
			}
			if _, err := s.Apply(context.Background(), &b); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				ended = true
			default:
			}
		}
	}()
	for early := 0; early < 3; {
		a, err := s.Get("00000000-0000-4000-8000-000000000000")
		require.NoError(t, err)
		if a.ModifyIndex > s.LastIndex() {
			require.NoError(t, endOf(s, a.ModifyIndex))
			early++
		}
		require.Less(t, batches.Load(), int64(5000), "no lookup came while a batch was being published")
	}
	close(stop)
	<-done
}

// TestFeedBlocksAtTheLargestIndex reads a feed up to the largest index there can be. The feed
// must block there and not spin.
func TestFeedBlocksAtTheLargestIndex(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	var b Batch
	b.Upsert(testAlloc(1))
	_, err := s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	for _, after := range []uint64{math.MaxUint64 - 1, math.MaxUint64} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		f := feed{c: &s.core, st: s.state.Load(), next: record.FirstAfter(after)}
		f.enter()
		require.ErrorIs(t, f.wait(ctx), context.DeadlineExceeded)
		f.leave()
		cancel()
	}
}
