package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestCloseBesideEverything closes a store while it is restored, compacted, checked,
// backed up, written and read without pause. Whoever is at work is told, and the file
// that is left is whole.
func TestCloseBesideEverything(t *testing.T) {
	t.Parallel()
	stream, _ := backupOf(t, lived(t, "from.db"))
	path := filepath.Join(t.TempDir(), "to.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	ctx := context.Background()
	var work sync.WaitGroup
	for _, do := range []func() error{
		func() error { return s.Restore(ctx, bytes.NewReader(stream)) },
		func() error { return s.Compact(ctx) },
		func() error {
			for err := range s.Check(ctx) {
				return err
			}
			return nil
		},
		func() error { _, err := s.Backup(ctx, new(bytes.Buffer)); return err },
		func() error { _, err := s.Upsert(ctx, placed(1), changedName(1)); return err },
		func() error { _, err := s.Delete(ctx, idOf(1)); return err },
		func() error { _, err := shown(s.All()); return err },
		func() error {
			_, err := s.Wait(ctx, idOf(1), store.QueryOptions{MinQueryIndex: s.LastIndex()})
			return err
		},
	} {
		work.Go(func() {
			for {
				if err := do(); errors.Is(err, store.ErrClosed) {
					return
				} else if err != nil && !errors.Is(err, store.ErrCompacted) { // restored meanwhile
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		require.NoError(t, s.Restore(ctx, bytes.NewReader(stream)))
	}
	shut(t, s)
	work.Wait()
	onlyFile(t, path)
	open(t, path, nil)
}

// TestRestoreAndCompactLeakNothing counts the files that the process has open. It is
// not parallel to others, which open some.
func TestRestoreAndCompactLeakNothing(t *testing.T) {
	stream, _ := backupOf(t, lived(t, "from.db"))
	s := open(t, filepath.Join(t.TempDir(), "to.db"), nil)
	opened := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(files)
	}
	before := opened()
	for range 30 {
		require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
		require.Error(t, s.Restore(t.Context(), bytes.NewReader(stream[:len(stream)-1])))
		require.NoError(t, s.Compact(t.Context()))
	}
	require.Equal(t, before, opened())
}

// TestCloseWithinCheck is what a caller does who sees a fault: nothing is held meanwhile.
func TestCloseWithinCheck(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the client's part")
	s, err := store.Open(path, &store.Options{DetectMutation: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	faults := 0
	for err := range s.Check(t.Context()) {
		require.ErrorIs(t, err, store.ErrCorrupt)
		require.NoError(t, s.Compact(t.Context()))
		require.NoError(t, s.Close())
		faults++
	}
	require.Equal(t, 1, faults)
}

// TestCloseBesideStalledRestore closes a store into which somebody restores a stream that
// does not end, and one whose restore is given up.
func TestCloseBesideStalledRestore(t *testing.T) {
	t.Parallel()
	for _, giveUp := range []bool{false, true} {
		dir := t.TempDir()
		s, err := store.Open(filepath.Join(dir, "stalled.db"), noticing)
		require.NoError(t, err)
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Restore(ctx, r) }()
		_, err = w.Write([]byte("alloc"))
		require.NoError(t, err)
		if giveUp {
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.NoError(t, s.Compact(t.Context()), "others go on")
		shut(t, s)
		if !giveUp {
			require.ErrorIs(t, <-ended, store.ErrClosed)
		}
		cancel()
		require.NoError(t, w.Close())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing else is left")
	}
}
