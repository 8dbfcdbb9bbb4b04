package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// fullAlloc returns an allocation whose record takes about half a page.
func fullAlloc(n int) *schema.Allocation {
	a := testAlloc(0)
	a.ID = fmt.Sprintf("%08x-0000-0000-0000-000000000000", n)
	a.Name = strings.Repeat("x", 2000)
	return a
}

// fillDisk places allocations, and changes some of them, until the disk is full, and returns how many
// there are. Deletions and reads work then, and the refused write has left nothing.
func fillDisk(t *testing.T, s *Store) (placed int) {
	t.Helper()
	ctx := t.Context()
	for n := 0; ; n++ {
		a := fullAlloc(n)
		if n%3 == 2 {
			a = fullAlloc(n - 1)
			a.JobID = fmt.Sprint("changed", n)
		}
		last := s.LastIndex()
		if _, err := s.Upsert(ctx, a); err != nil {
			require.ErrorIs(t, err, ErrNoSpace)
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.Equal(t, last, s.LastIndex(), "a refused write changes nothing")
			require.NoError(t, s.Err())
			return n
		}
		require.Less(t, n, 100_000, "the disk is never full")
	}
}

// testFullDisk fills a disk, frees some of it, and goes on, again and again and across reopening.
func testFullDisk(t *testing.T, path string, opts Options) {
	ctx := t.Context()
	opts.DetectMutation, opts.Logger = true, slog.New(slog.DiscardHandler)
	s, err := Open(path, &opts)
	require.NoError(t, err)
	for round := range 3 {
		written := fillDisk(t, s)
		require.True(t, written > 100 || round > 0, "there is room to begin with")
		_, err := s.AppendTaskEvent(ctx, fullAlloc(0).ID, "task", "running", schema.TaskEvent{Type: "Started", Time: int64(round + 1)})
		if err != nil {
			require.ErrorIs(t, err, ErrNoSpace)
		}
		if round > 0 { // also after reopening on the full disk
			require.NoError(t, s.Close())
			s, err = Open(path, &opts)
			require.NoError(t, err)
		}
		var deleted []string
		for a, err := range s.All() {
			require.NoError(t, err)
			if len(deleted) < s.Stats().Allocations*2/3 {
				deleted = append(deleted, a.ID)
			}
		}
		for _, id := range deleted {
			require.Eventually(t, func() bool { // a read may keep the pages of the deletions before
				_, err := s.Delete(ctx, id)
				require.True(t, err == nil || errors.Is(err, ErrNoSpace), "%v", err)
				return err == nil
			}, 20*time.Second, time.Millisecond, "a deletion on a full disk")
			_, err = s.Get(id)
			require.ErrorIs(t, err, ErrNotFound)
		}
		if err := s.Compact(ctx); err != nil {
			require.ErrorIs(t, err, ErrNoSpace, "no room for the new file")
		}
		require.Eventually(t, func() bool { // compaction goes on
			_, err := s.Upsert(ctx, fullAlloc(1_000_000+round))
			require.True(t, err == nil || errors.Is(err, ErrNoSpace), "%v", err)
			return err == nil
		}, 20*time.Second, 10*time.Millisecond, "round %d: deletions have made room", round)
		RequireSound(t, s)
		require.NoError(t, s.Err())
	}
	RequireSound(t, s)
	require.NoError(t, s.Close())
	s, err = Open(path, &opts)
	require.NoError(t, err)
	RequireSound(t, s)
	require.NoError(t, s.Close())
}

// TestFullDisk has a disk that ends at some byte of the file. No block of the file is behind it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "full.db")
	var end atomic.Int64
	end.Store(3 << 20)
	testFullDisk(t, path, Options{diskEnd: end.Load})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.LessOrEqual(t, allocatedBytes(info), end.Load()+64<<10, "a write went where no room was made sure of")
	end.Store(1 << 40)
	s, err := Open(path, &Options{DetectMutation: true, diskEnd: end.Load})
	require.NoError(t, err)
	for n := range 3000 {
		_, err := s.Upsert(context.Background(), fullAlloc(n))
		require.NoError(t, err, "the disk has room again")
	}
	RequireSound(t, s)
	require.NoError(t, s.Close())
}

// TestEntriesOnAFullDisk applies entries until the disk is full. That is the error of the call,
// since another store may have room: the entries before the error are applied, and the same call
// goes on when there is room.
func TestEntriesOnAFullDisk(t *testing.T) {
	t.Parallel()
	var end atomic.Int64
	end.Store(3 << 20)
	path := filepath.Join(t.TempDir(), "full.db")
	s, err := Open(path, &Options{DetectMutation: true, Replicated: true, diskEnd: end.Load, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var entries []Entry
	for n := range 3000 {
		e := Entry{Index: uint64(10 + n), Batch: new(Batch)}
		e.Batch.Upsert(fullAlloc(n))
		entries = append(entries, e)
	}
	got, err := s.ApplyEntries(t.Context(), entries)
	require.ErrorIs(t, err, ErrNoSpace)
	require.NotEmpty(t, got)
	require.NoError(t, s.Err())
	for i, r := range got {
		require.Equal(t, Result{Applied: Applied{Index: entries[i].Index}}, r)
	}
	applied := entries[len(got)-1].Index
	require.Equal(t, []uint64{applied, applied}, []uint64{s.LastIndex(), s.AppliedIndex()})
	require.Equal(t, len(got), s.Stats().Allocations, "no entry after the refused one is applied")
	_, err = s.ApplyEntries(t.Context(), []Entry{{Index: applied + 1, Mark: true}})
	require.True(t, err == nil || errors.Is(err, ErrNoSpace), "%v", err)
	marked := err == nil

	end.Store(1 << 40)
	again, err := s.ApplyEntries(t.Context(), entries)
	require.NoError(t, err)
	for i, r := range again {
		require.Equal(t, i < len(got) || i == len(got) && marked, r.Skipped, "entry %d of %d", i, len(got))
		require.NoError(t, r.Err)
	}
	require.Equal(t, entries[len(entries)-1].Index, s.AppliedIndex())
	shut(t, s)
}
