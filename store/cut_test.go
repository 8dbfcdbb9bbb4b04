package store_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// A cutCall is a call that may read or write the file, by a name.
type cutCall struct {
	name string
	call func(ctx context.Context, s *store.Store, n int) error
}

// cutCalls are all calls of a store that may need its file. copied is a backup of a store.
func cutCalls(copied []byte) []cutCall {
	each := func(list store.Allocations) (err error) {
		for _, e := range list {
			err = errors.Join(err, e)
		}
		return err
	}
	applied := func(_ store.Applied, err error) error { return err }
	return []cutCall{
		{"Get", func(_ context.Context, s *store.Store, n int) error { _, err := s.Get(idOf(n % 20)); return err }},
		{"All", func(_ context.Context, s *store.Store, _ int) error { return each(s.All()) }},
		{"ByNode", func(_ context.Context, s *store.Store, n int) error { return each(s.ByNode(fmt.Sprint("node", n%20))) }},
		{"Snapshot", func(_ context.Context, s *store.Store, _ int) error {
			sn, err := s.Snapshot()
			if err != nil {
				return err
			}
			defer sn.Close()
			return each(sn.All())
		}},
		{"Changes", func(ctx context.Context, s *store.Store, _ int) error {
			for ch, err := range s.Changes(ctx, 0) {
				if err != nil || ch.Index >= 20 {
					return err
				}
			}
			return nil
		}},
		{"Wait", func(ctx context.Context, s *store.Store, n int) error {
			_, err := s.Wait(ctx, idOf(n%20), store.QueryOptions{})
			return err
		}},
		{"a blocked Wait", func(ctx context.Context, s *store.Store, n int) error {
			_, err := s.Wait(ctx, idOf(n%20), store.QueryOptions{MinQueryIndex: 1 << 40})
			return err
		}},
		{"Upsert", func(ctx context.Context, s *store.Store, n int) error {
			a := placed(n % 20)
			a.Name = fmt.Sprint(n)
			return applied(s.Upsert(ctx, a))
		}},
		{"UpdateFromClient", func(ctx context.Context, s *store.Store, n int) error {
			a := placed(n % 20)
			a.ClientDescription = fmt.Sprint(n)
			return applied(s.UpdateFromClient(ctx, a))
		}},
		{"Delete", func(ctx context.Context, s *store.Store, n int) error { return applied(s.Delete(ctx, idOf(20+n%5))) }},
		{"Check", func(_ context.Context, s *store.Store, _ int) error { return errors.Join(store.Faults(s)...) }},
		{"Backup", func(ctx context.Context, s *store.Store, _ int) error {
			_, err := s.Backup(ctx, io.Discard)
			return err
		}},
		{"Stats", func(_ context.Context, s *store.Store, _ int) error { s.Stats(); return nil }},
		{"Sweep", func(ctx context.Context, s *store.Store, _ int) error { return s.Sweep(ctx) }},
		{"Compact", func(ctx context.Context, s *store.Store, _ int) error { return s.Compact(ctx) }},
		{"Restore", func(ctx context.Context, s *store.Store, _ int) error { return s.Restore(ctx, bytes.NewReader(copied)) }},
	}
}

// fileToCut returns the file of a store of 25 allocations with some changes, the size of its content,
// and a backup of the store.
func fileToCut(t *testing.T) (file []byte, end int, copied []byte) {
	t.Helper()
	path := tempPath(t, "cut.db")
	s := openToClose(t, path, nil)
	for round := range 8 {
		var b store.Batch
		for i := range 25 {
			a := placed(i)
			a.Name = fmt.Sprint("changed", round)
			a.Job.Name = fmt.Sprint(i, string(make([]byte, 500)))
			b.Upsert(a)
		}
		apply(t, s, &b)
	}
	copied, _ = backupOf(t, s)
	shut(t, s)
	file = readFile(t, path)
	end = len(bytes.TrimRight(file, "\x00"))
	return file[:(end>>20+1)<<20], end, copied // the rest is for growth
}

// openCut opens a store on a copy of the file. No allocation stays in memory.
func openCut(t *testing.T, file []byte, o store.Options) (s *store.Store, path string) {
	t.Helper()
	path = tempPath(t, "cut.db")
	writeFile(t, path, file)
	o.ResidentBytes, o.Logger, o.FeedRetention = 1, silent, -1
	o.InitialMmapBytes = cmp.Or(o.InitialMmapBytes, 4<<20) // after a fault the mapping stays
	s, err := store.Open(path, &o)
	require.NoError(t, err)
	return s, path
}

// within requires that fn returns soon.
func within(t *testing.T, fn func(), what string, args ...any) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		stacks := make([]byte, 1<<20)
		t.Fatalf("hangs: %s\n%s", fmt.Sprintf(what, args...), stacks[:runtime.Stack(stacks, true)])
	}
}

// released requires that Close returns, and that it has released both locks of the path.
func released(t *testing.T, s *store.Store, path string) {
	t.Helper()
	within(t, func() { _ = s.Close() }, "Close")
	s, err := store.Open(path, &store.Options{Logger: silent, LockTimeout: -1})
	require.NotErrorIs(t, err, store.ErrLocked)
	if err == nil {
		require.NoError(t, s.Close())
	}
}

// TestCutWhileOpen cuts the file of an open store, and makes each call the first one afterwards.
// That call and all later ones return, and the store tells that it has failed.
func TestCutWhileOpen(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	file, end, copied := fileToCut(t)
	calls := cutCalls(copied)
	for _, cut := range []int{0, page, page + 100, 2 * page, end / 2} {
		for _, first := range calls {
			s, path := openCut(t, file, store.Options{})
			require.NoError(t, os.Truncate(path, int64(cut)))
			within(t, func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err := first.call(ctx, s, 1)
				require.NoError(t, ctx.Err(), "%s after a cut to %d: the failure ends it: %v", first.name, cut, err)
				if first.name == "Restore" && err == nil { // another file is there now
					require.NoError(t, s.Err())
					return
				}
				for s.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				require.ErrorIs(t, s.Err(), store.ErrFailed)
				require.ErrorIs(t, s.Err(), store.ErrCorrupt)
				for range 2 {
					for _, then := range calls {
						err := then.call(ctx, s, 2)
						switch then.name {
						case "Stats":
						case "Upsert", "UpdateFromClient", "Delete", "a blocked Wait":
							require.ErrorIs(t, err, store.ErrFailed, "%s, then %s", first.name, then.name)
						default:
							require.Error(t, err, "%s, then %s", first.name, then.name)
						}
					}
				}
				require.NoError(t, ctx.Err())
				_, err = s.Get(idOf(3))
				require.ErrorIs(t, err, store.ErrCorrupt)
			}, "after %s and a cut to %d", first.name, cut)
			released(t, s, path)
		}
	}
}

// TestCutUnderLoad cuts the file at and within each of its pages while goroutines make all calls.
// In half of the rounds the file has outgrown its mapping, so commits map it anew.
func TestCutUnderLoad(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	file, end, copied := fileToCut(t)
	all := cutCalls(copied)
	step := 1
	if testing.Short() {
		step = 5 // odd, so that all sorts of rounds remain
	}
	for round := 0; round*page/2 < end; round += step {
		cut, o, calls := round*page/2, store.Options{}, all
		if round%2 == round/2%2 {
			o.InitialMmapBytes = 1
		}
		if round%3 > 0 {
			calls = all[:len(all)-2] // Compact and Restore may put another file there before the cut is found
		}
		s, path := openCut(t, file, o)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		var begun, running sync.WaitGroup
		begun.Add(2 * len(calls))
		for _, c := range append(calls, calls...) {
			running.Go(func() {
				var once sync.Once
				time.AfterFunc(20*time.Millisecond, func() { once.Do(begun.Done) }) // some block
				for n := 0; ctx.Err() == nil && s.Err() == nil; n++ {
					_ = c.call(ctx, s, n)
					once.Do(begun.Done)
				}
				_ = c.call(ctx, s, 1)
			})
		}
		begun.Wait()
		require.NoError(t, os.Truncate(path, int64(cut)))
		within(t, running.Wait, "calls after a cut to %d", cut)
		if len(calls) < len(all) {
			require.ErrorIs(t, s.Err(), store.ErrFailed, "cut to %d", cut)
		}
		cancel()
		released(t, s, path)
	}
}
