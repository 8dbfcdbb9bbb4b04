//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestOpenNamesOtherKinds opens things that are no store's file, for writing and for reading. The
// error says what they are, not that a store is damaged. Opening the named pipe does not block.
func TestOpenNamesOtherKinds(t *testing.T) {
	t.Parallel()
	for text, put := range map[string]func(t *testing.T, path string){
		"is a directory": func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
		"is a named pipe, not a regular file": func(t *testing.T, path string) {
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		},
		"is a socket, not a regular file": func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = l.Close() })
		},
		"is a device, not a regular file": func(t *testing.T, path string) { require.NoError(t, os.Symlink("/dev/null", path)) },
		"is a backup, not a store: restore it into one": func(t *testing.T, path string) {
			var backup bytes.Buffer
			_, err := open(t, tempPath(t, "backed-up.db"), nil).Backup(t.Context(), &backup)
			require.NoError(t, err)
			writeFile(t, path, backup.String())
		},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "kind") // a socket's path must be short
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			path := filepath.Join(dir, "x.db")
			put(t, path)
			for _, readOnly := range []bool{false, true} {
				_, err := store.Open(path, &store.Options{DetectMutation: true, ReadOnly: readOnly})
				require.ErrorContains(t, err, text)
				require.ErrorContains(t, err, path)
				require.NotErrorIs(t, err, store.ErrCorrupt)
				var at *fs.PathError
				require.ErrorAs(t, err, &at)
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Len(t, entries, 1, "nothing is left beside it")
			}
		})
	}
}

// TestOpenWithAnotherKindOfLock has a named pipe in the place of the lock file: no opener blocks.
func TestOpenWithAnotherKindOfLock(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	shut(t, openToClose(t, path, nil))
	lock := filepath.Join(filepath.Dir(path), ".x.db.lock")
	require.NoError(t, syscall.Mkfifo(lock, 0o600))
	for _, readOnly := range []bool{false, true} {
		_, err := store.Open(path, &store.Options{DetectMutation: true, ReadOnly: readOnly})
		require.ErrorContains(t, err, lock+": is a named pipe")
	}
}

// TestOpenWithoutPermission opens a file as another user. One that cannot be read is no read-only
// file; one that can be read and not written is.
func TestOpenWithoutPermission(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	shut(t, openToClose(t, path, nil))
	for dir := filepath.Dir(path); dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	for _, c := range []struct {
		mode     fs.FileMode
		readOnly bool
		want     error
	}{
		{0o000, true, fs.ErrPermission},
		{0o000, false, fs.ErrPermission},
		{0o444, false, store.ErrReadOnly},
		{0o444, true, nil},
	} {
		require.NoError(t, os.Chmod(path, c.mode))
		s, err := openAs(65534, path, &store.Options{DetectMutation: true, ReadOnly: c.readOnly})
		if c.want == nil {
			require.NoError(t, err)
			shut(t, s)
			continue
		}
		require.ErrorIs(t, err, c.want)
		require.Equal(t, c.want == store.ErrReadOnly, errors.Is(err, store.ErrReadOnly), "mode %v: %v", c.mode, err)
	}
}

// openAs opens a store with a user's permissions on files. Only root may become another user; another
// user has these permissions already.
func openAs(uid int, path string, opts *store.Options) (*store.Store, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := fsuid(uid)
	if err != nil {
		return nil, err
	}
	defer fsuid(before)
	return store.Open(path, opts)
}

// fsuid sets the user of the thread's file accesses, and returns the one before.
func fsuid(uid int) (before int, err error) {
	was, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(uid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(was), nil
}

// TestLockedNamesTheHolder opens a store that this process has open, for reading or for writing. The
// error has the process's ID. One that waits for the lock, too, is not among the holders.
func TestLockedNamesTheHolder(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	shut(t, openToClose(t, path, nil))
	for _, readOnly := range []bool{false, true} {
		s := openToClose(t, path, &store.Options{ReadOnly: readOnly})
		for _, again := range []bool{false, !readOnly} {
			_, err := store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1, ReadOnly: again})
			require.ErrorIs(t, err, store.ErrLocked)
			require.ErrorContains(t, err, fmt.Sprintf("(this process, %d)", os.Getpid()))
		}
		shut(t, s)
	}
}
