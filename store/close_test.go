package store_test

import (
	"bytes"
	"context"
	"errors"
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
	s, err := store.Open(path, nil)
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
	require.NoError(t, s.Close())
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
