package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// TestGetAllocatesNothing is the promise of Get's comment.
func TestGetAllocatesNothing(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "get.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	id := testAlloc(1).ID
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := s.Get(id); err != nil {
			t.Fatal(err)
		}
	}))
}

// TestListsForgetOnlyWhatNobodyReads looks at the sets themselves: an ID stays
// listed as long as a snapshot is from before its removal, and no longer.
func TestListsForgetOnlyWhatNobodyReads(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "lists.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	ctx := t.Context()
	listed := func() int {
		node := state.List{Kind: state.ByNode, Name: "node"}
		return len(s.state.Load().Lists.Page(make([]schema.ID, 0, 10), node, state.AllIDs()))
	}
	_, err = s.Upsert(ctx, testAlloc(1), testAlloc(2))
	require.NoError(t, err)
	before, err := s.Snapshot()
	require.NoError(t, err)
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	after, err := s.Snapshot()
	require.NoError(t, err)
	require.Equal(t, 2, listed(), "the older snapshot still lists it")
	_, err = s.Upsert(ctx, testAlloc(1))
	require.NoError(t, err)
	require.NoError(t, before.Close())
	require.Equal(t, 2, listed(), "it was placed again before it was forgotten")
	_, err = s.Delete(ctx, testAlloc(1).ID)
	require.NoError(t, err)
	require.NoError(t, after.Close())
	require.Equal(t, 1, listed(), "nobody reads at an index where it was")
	require.False(t, s.state.Load().Lists.Pending(math.MaxUint64))
	moved := testAlloc(2)
	moved.NodeID = "elsewhere"
	_, err = s.Upsert(ctx, moved)
	require.NoError(t, err)
	require.Zero(t, listed(), fmt.Sprint("moved to ", moved.NodeID))
}

// TestFeedRestsAtTheLastIndex blocks where no index is left, instead of looking again and
// again for what cannot come.
func TestFeedRestsAtTheLastIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "last.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	var b Batch
	b.Upsert(testAlloc(1))
	_, err = s.ApplyAt(t.Context(), math.MaxUint64-1, &b)
	require.NoError(t, err)
	for _, after := range []uint64{math.MaxUint64 - 1, math.MaxUint64} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		f := feed{c: &s.core, st: s.state.Load(), next: record.FirstAfter(after)}
		at := f.enter()
		require.ErrorIs(t, f.wait(ctx, at), context.DeadlineExceeded)
		s.leave(at)
		cancel()
	}
}

// TestBackupHasTheMarksOfItsIndex has a restore come after all that a backup copies has been
// copied: what the restore marks is not in it.
func TestBackupHasTheMarksOfItsIndex(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "marks.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	var stream bytes.Buffer
	b := backup{w: &stream}
	end, err := b.begin(t.Context(), s)
	require.NoError(t, err)
	defer end()
	s.state.Load().Floor.Store(7)
	require.NoError(t, b.run(t.Context()))
	s.state.Load().Floor.Store(0)
	require.NoError(t, s.Restore(t.Context(), &stream))
}
