package raftstore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/stretchr/testify/require"
)

// A testLog is a log in a directory.
type testLog struct {
	*guardedLog
	n *Node
}

// openLog opens a log as a node does.
func openLog(t *testing.T, dir string) *testLog {
	t.Helper()
	n := &Node{config: Config{Logger: quiet}, halt: newHalt()}
	require.NoError(t, n.openLog(dir, 4096))
	return &testLog{&guardedLog{LogStore: n.wal, halt: n.halt, files: n.files, base: new(atomic.Uint64)}, n}
}

func (l *testLog) shut(t *testing.T) {
	t.Helper()
	require.NoError(t, l.n.closeFiles())
}

func (l *testLog) add(t *testing.T, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		require.NoError(t, l.StoreLog(&raft.Log{Index: i, Data: appendSum(fmt.Append(nil, i, strings.Repeat("x", 200)))}))
	}
}

func (l *testLog) has(t *testing.T, last uint64) {
	t.Helper()
	got, err := l.LastIndex()
	require.NoError(t, err)
	require.Equal(t, last, got)
	for i := uint64(1); i <= last; i++ {
		var e raft.Log
		require.NoError(t, l.GetLog(i, &e), "entry %d", i)
		body, err := cutSum(e.Data)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), strings.TrimRight(string(body), "x"))
	}
}

// TestLogAfterItsEndWasRemoved: a follower removes entries that were never committed. raft-wal v0.4.0 left a file without
// an index then, and did not open, or returned other entries.
func TestLogAfterItsEndWasRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, dir)
	l.add(t, 1, 9)
	require.NoError(t, l.DeleteRange(7, 9))
	l.add(t, 7, 8)
	l.shut(t)
	l = openLog(t, dir)
	l.has(t, 8)
	l.shut(t)
}

// fullButNotSealed returns the files of a log with the entries 1 to last after the append that has filled the first file, and
// before the metadata says so.
func fullButNotSealed(t *testing.T) (copied string, last uint64) {
	t.Helper()
	dir, copied := t.TempDir(), t.TempDir()
	l := openLog(t, dir)
	was, err := os.ReadFile(filepath.Join(dir, metadb.FileName))
	require.NoError(t, err)
	files := func() []string {
		all, err := filepath.Glob(filepath.Join(dir, "*.wal"))
		require.NoError(t, err)
		return all
	}
	for i := uint64(1); len(files()) < 2; i++ {
		l.add(t, i, i)
	}
	l.shut(t)
	first, second := files()[0], files()[1]
	_, err = fmt.Sscanf(filepath.Base(second), "%d-", &last)
	require.NoError(t, err)
	body, err := os.ReadFile(first)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(copied, filepath.Base(first)), body, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(copied, metadb.FileName), was, 0o600))
	return copied, last - 1
}

// TestFullFileIsSealedAfterACrash: raft-wal notes in the background that a file is full. After a crash before that it took
// no entry any more.
func TestFullFileIsSealedAfterACrash(t *testing.T) {
	t.Parallel()
	dir, last := fullButNotSealed(t)
	l := openLog(t, dir)
	l.has(t, last)
	l.add(t, last+1, last+40)
	l.shut(t)
	l = openLog(t, dir)
	l.has(t, last+40)
	l.shut(t)
}

// TestTornEndOfAFullFile: the last append to a file also writes its index. Where it is torn, the index does not count, and the
// file takes entries.
func TestTornEndOfAFullFile(t *testing.T) {
	t.Parallel()
	whole, last := fullButNotSealed(t)
	files, err := filepath.Glob(filepath.Join(whole, "*.wal"))
	require.NoError(t, err)
	body, err := os.ReadFile(files[0])
	require.NoError(t, err)
	used := len(strings.TrimRight(string(body), "\x00"))
	for _, keep := range []int{1, 3, 8, 9, 12, 60} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
		torn := append([]byte(nil), body...)
		clear(torn[used-keep:])
		path := filepath.Join(dir, filepath.Base(files[0]))
		require.NoError(t, os.WriteFile(path, torn, 0o600))
		l := openLog(t, dir)
		l.has(t, last-1)
		l.add(t, last, last+40)
		l.shut(t)
		l = openLog(t, dir)
		l.has(t, last+40)
		l.shut(t)
	}
}
