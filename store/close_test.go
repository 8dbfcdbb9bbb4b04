package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestCloseBesideEverything closes a store while it is restored, compacted, checked, backed
// up, written and read without pause. Each operation gets ErrClosed, or ErrRestored before.
// The file stays sound.
func TestCloseBesideEverything(t *testing.T) {
	t.Parallel()
	stream, _ := backupOf(t, storeWithHistory(t, "from.db"))
	path := tempPath(t, "to.db")
	s := openToClose(t, path, nil)
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
		func() error { _, err := encoded(s.All()); return err },
		func() error {
			_, err := s.Wait(ctx, idOf(1), store.QueryOptions{MinQueryIndex: s.LastIndex()})
			return err
		},
	} {
		work.Go(func() {
			for {
				if err := do(); errors.Is(err, store.ErrClosed) {
					return
				} else if err != nil && !errors.Is(err, store.ErrRestored) {
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

// TestRestoreAndCompactLeakNothing counts the open files of the process. The test is not
// parallel: other tests open files.
func TestRestoreAndCompactLeakNothing(t *testing.T) {
	stream, _ := backupOf(t, storeWithHistory(t, "from.db"))
	s := open(t, tempPath(t, "to.db"), nil)
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

// TestCloseWithinCheck compacts and closes the store in the loop over Check. Check must hold no
// lock while the caller handles a fault.
func TestCloseWithinCheck(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the client's part")
	s := openToClose(t, path, &store.Options{Logger: silent})
	faults := 0
	for err := range s.Check(t.Context()) {
		require.ErrorIs(t, err, store.ErrCorrupt)
		require.NoError(t, s.Compact(t.Context()))
		require.NoError(t, s.Close())
		faults++
	}
	require.Equal(t, 1, faults)
}

// TestCloseBesideStalledRestore closes a store during a restore whose stream stalls, and one
// whose stalled restore was canceled.
func TestCloseBesideStalledRestore(t *testing.T) {
	t.Parallel()
	for _, canceled := range []bool{false, true} {
		dir := t.TempDir()
		s := openToClose(t, filepath.Join(dir, "stalled.db"), nil)
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Restore(ctx, r) }()
		_, err := w.Write([]byte("alloc"))
		require.NoError(t, err)
		if canceled {
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.NoError(t, s.Compact(t.Context()), "the stalled restore does not block Compact")
		shut(t, s)
		if !canceled {
			require.ErrorIs(t, <-ended, store.ErrClosed)
		}
		cancel()
		require.NoError(t, w.Close())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "no temporary file is left")
	}
}

// TestCloseAnswersWriters closes a store under writers, a snapshot and later calls. All get
// ErrClosed.
func TestCloseAnswersWriters(t *testing.T) {
	t.Parallel()
	s := openToClose(t, tempPath(t, "close.db"), nil)
	ctx := context.Background()
	sn, err := s.Snapshot()
	require.NoError(t, err)
	var wg sync.WaitGroup
	answered := make([]error, 64)
	for i := range answered {
		wg.Go(func() {
			for answered[i] == nil {
				_, answered[i] = s.Upsert(ctx, placed(i))
				_, _ = s.Delete(ctx, idOf(i))
			}
		})
	}
	for s.LastIndex() < 50 {
		runtime.Gosched()
	}
	shut(t, s)
	wg.Wait()
	for _, err := range answered {
		require.ErrorIs(t, err, store.ErrClosed, "a write that races with Close is done or gets ErrClosed")
	}
	require.NoError(t, s.Close(), "Close is idempotent")
	_, err = s.Get(idOf(1))
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = s.Snapshot()
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = sn.Get(idOf(1))
	require.ErrorIs(t, err, store.ErrClosed)
	for _, err := range sn.All() {
		require.ErrorIs(t, err, store.ErrClosed)
	}
	for _, err := range s.Changes(ctx, 0) {
		require.ErrorIs(t, err, store.ErrClosed)
	}
	require.NoError(t, sn.Close())
}
