package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplacedFiles: where a process may not filter its calls, a write to the files still fails.
func TestReplacedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "store.db"))
	require.NoError(t, err)
	defer f.Close()
	fds, err := diskFaults[0].open(dir)
	require.NoError(t, err)
	require.Len(t, fds, 1)
	require.NoError(t, replaceFiles(fds))
	_, err = f.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, syscall.EBADF)
	_, err = diskFaults[3].open(dir)
	require.Error(t, err, "the log is not open")
	require.Error(t, breakDisk(dir, "none"))
}

// TestFullDisk: fill leaves no room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if mountDisk(dir, 16<<20) != nil {
		return // all nodes share a disk here
	}
	defer func() { require.NoError(t, unmountDisk(dir)) }()
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, fill(ballast))
	require.ErrorIs(t, os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1<<16), 0o600), syscall.ENOSPC)
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1<<16), 0o600))
}
