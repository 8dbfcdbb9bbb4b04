package store_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// detachments lose the file at path, or do not.
var detachments = map[string]struct {
	lose     func(path string) error
	detached bool
	atOnce   bool // a commit notices
}{
	"removed":              {os.Remove, true, true},
	"replaced by a rename": {func(path string) error { return replaceBy(path, os.Rename) }, true, true},
	"renamed, another put there": {func(path string) error {
		if err := os.Rename(path, path+".away"); err != nil {
			return err
		}
		return os.WriteFile(path, []byte("another file"), 0o600)
	}, true, false},
	"renamed": {func(path string) error { return os.Rename(path, path+".away") }, false, false},
	"removed, with another name": {func(path string) error {
		if err := os.Link(path, path+".too"); err != nil {
			return err
		}
		return os.Remove(path)
	}, false, false},
}

// replaceBy puts another file at path.
func replaceBy(path string, rename func(string, string) error) error {
	if err := os.WriteFile(path+".other", []byte("another file"), 0o600); err != nil {
		return err
	}
	return rename(path+".other", path)
}

// TestDetached loses the file of an idle store. The store notices within some seconds, and tells
// it by Err, Stats, the Logger and Close; waits end, writes are refused, and reads and a backup go
// on. A store whose file has a name is well.
func TestDetached(t *testing.T) {
	t.Parallel()
	for name, d := range detachments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				path := tempPath(t, "file.db")
				s := openToClose(t, path, &store.Options{ResidentBytes: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				last := upsert(t, s, placed(1), placed(2))
				waited := make(chan error, 1)
				go func() {
					_, err := s.Wait(context.Background(), idOf(1), store.QueryOptions{MinQueryIndex: last})
					waited <- err
				}()
				synctest.Wait()
				require.NoError(t, d.lose(path))
				time.Sleep(3 * time.Second)
				require.Equal(t, d.detached, s.Stats().Detached)
				if !d.detached {
					require.NoError(t, s.Err())
					upsert(t, s, changedName(1))
					require.NoError(t, <-waited)
					require.NoError(t, s.Close())
					require.Empty(t, log.String())
					return
				}
				require.ErrorIs(t, s.Err(), store.ErrDetached)
				require.ErrorIs(t, <-waited, store.ErrDetached)
				_, err := s.Upsert(t.Context(), placed(3))
				require.ErrorIs(t, err, store.ErrDetached)
				require.ErrorIs(t, s.Compact(t.Context()), store.ErrDetached)
				mustGet(t, s, 1)
				copied, _ := backupOf(t, s)
				require.Equal(t, contentOf(t, s), contentOf(t, restoredOf(t, copied)))
				require.ErrorIs(t, s.Close(), store.ErrDetached)
				require.NoError(t, s.Close())
				require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), "told once: %s", &log)
			})
		})
	}
}

// restoredOf returns a new store with the content of a backup.
func restoredOf(t *testing.T, copied []byte) *store.Store {
	t.Helper()
	s := open(t, tempPath(t, "restored.db"), nil)
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(copied)))
	return s
}

// TestDetachedAtACommit loses the file just before a write, or just before Close. A write is refused
// before anything is written if the file has no name any more, and Close tells it in any case.
func TestDetachedAtACommit(t *testing.T) {
	t.Parallel()
	for name, d := range detachments {
		for _, write := range []bool{true, false} {
			path := tempPath(t, "file.db")
			s := openToClose(t, path, &store.Options{Logger: silent})
			last := upsert(t, s, placed(1))
			require.NoError(t, d.lose(path))
			if write {
				_, err := s.Upsert(t.Context(), placed(2))
				if d.atOnce {
					require.ErrorIs(t, err, store.ErrDetached, name)
					require.Equal(t, last, s.LastIndex())
				} else if err != nil { // the lookout was faster
					require.True(t, d.detached, name)
				}
			}
			if err := s.Close(); d.detached {
				require.ErrorIs(t, err, store.ErrDetached, name)
			} else {
				require.NoError(t, err, name)
			}
		}
	}
}

// TestReplacingTheFileIsNoDetachment compacts and restores, which replace the file, while other
// goroutines look at it and write.
func TestReplacingTheFileIsNoDetachment(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "file.db"), nil)
	upsert(t, s, placed(1))
	copied, _ := backupOf(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for ctx.Err() == nil {
				s.Look()
			}
		})
	}
	looking.Go(func() {
		for n := 2; ctx.Err() == nil; n++ {
			_, err := s.Upsert(t.Context(), placed(n%10))
			require.NoError(t, err)
		}
	})
	for range 15 {
		require.NoError(t, s.Compact(t.Context()))
		require.NoError(t, s.Restore(t.Context(), bytes.NewReader(copied)))
		_, err := s.Backup(t.Context(), io.Discard)
		require.NoError(t, err)
	}
	stop()
	looking.Wait()
	require.NoError(t, s.Err())
}
