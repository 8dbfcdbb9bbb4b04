package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// backupOf returns a backup of s.
func backupOf(t *testing.T, s *store.Store) ([]byte, store.BackupInfo) {
	t.Helper()
	var b bytes.Buffer
	info, err := s.Backup(t.Context(), &b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), info.Bytes)
	return b.Bytes(), info
}

// shown is everything that a list shows, in its encoding.
func shown(list store.Allocations) (string, error) {
	var all []byte
	for a, err := range list {
		if err != nil {
			return "", err
		}
		all = new(schema.Codec).AppendAllocation(all, a)
	}
	return string(all), nil
}

func mustShow(t *testing.T, s *store.Store) string {
	t.Helper()
	content, err := shown(s.All())
	require.NoError(t, err)
	return content
}

// lived is a store with allocations that were placed, reported on, replaced and
// deleted, and compacted in part.
func lived(t *testing.T, name string) *store.Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), name), &store.Options{FeedRetention: 10})
	for i := range 40 {
		a := placed(i)
		a.Name = name
		upsert(t, s, a)
		_, err := s.AppendTaskEvent(t.Context(), idOf(i), "task", schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)})
		require.NoError(t, err)
	}
	_, err := s.Delete(t.Context(), idOf(3), idOf(39))
	require.NoError(t, err)
	require.NoError(t, s.Sweep(t.Context()))
	next := placed(50)
	next.PreviousAllocation = idOf(5)
	upsert(t, s, next)
	return s
}

// TestRestore puts the backup of one store into others: one that is empty, one that is
// ahead, and the one that it is of.
func TestRestore(t *testing.T) {
	t.Parallel()
	from := lived(t, "from.db")
	stream, info := backupOf(t, from)
	require.Equal(t, from.LastIndex(), info.Index)
	want := mustShow(t, from)
	empty := open(t, filepath.Join(t.TempDir(), "empty.db"), nil)
	ahead := lived(t, "ahead.db")
	for range 20 {
		upsert(t, ahead, changedName(7), changedName(8))
		upsert(t, ahead, placed(7), placed(8))
	}
	for _, c := range []struct {
		s    *store.Store
		last uint64
	}{{empty, info.Index}, {ahead, ahead.LastIndex() + 1}, {from, info.Index + 1}} {
		require.NoError(t, c.s.Restore(t.Context(), bytes.NewReader(stream)))
		require.Equal(t, c.last, c.s.LastIndex())
		require.Equal(t, want, mustShow(t, c.s))
		deleted, err := c.s.Wait(t.Context(), idOf(39), store.QueryOptions{})
		require.NoError(t, err)
		require.Equal(t, store.WaitResult{ID: idOf(39), Index: c.last, Outcome: store.Deleted}, deleted, "what is known of deletions comes along")
		again, _ := backupOf(t, c.s)
		other := open(t, filepath.Join(t.TempDir(), "other.db"), nil)
		require.NoError(t, other.Restore(t.Context(), bytes.NewReader(again)))
		require.Equal(t, want, mustShow(t, other))
		index := upsert(t, c.s, changedName(1))
		require.Equal(t, c.last+1, index, "writes go on")
	}
	path := filepath.Join(t.TempDir(), "reopened.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
	shut(t, s)
	s = open(t, path, nil)
	require.Equal(t, want, mustShow(t, s))
	require.Equal(t, info.Index, s.LastIndex())
}

// TestRestoreTellsReaders has every kind of reader open when the store is restored.
func TestRestoreTellsReaders(t *testing.T) {
	t.Parallel()
	stream, _ := backupOf(t, lived(t, "from.db"))
	s := lived(t, "to.db")
	last := s.LastIndex()
	sn, err := s.Snapshot()
	require.NoError(t, err)
	defer sn.Close()
	fed := make(chan error, 2)
	for _, after := range []uint64{last, last + 1000} {
		go func() {
			for _, err := range s.Changes(context.Background(), after) {
				fed <- err
			}
		}()
	}
	type told struct {
		r   store.WaitResult
		err error
	}
	waits := make(chan told, 3)
	for _, w := range []struct {
		id  string
		min uint64
	}{{idOf(1), last}, {idOf(77), last}, {idOf(2), last + 1000}} {
		go func() {
			r, err := s.Wait(context.Background(), w.id, store.QueryOptions{MinQueryIndex: w.min})
			waits <- told{r, err}
		}()
	}
	for s.Stats().Waiters < 3 || s.Stats().Readers < 3 {
		require.NoError(t, t.Context().Err())
	}
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
	for range 3 {
		w := <-waits
		require.NoError(t, w.err)
		require.Equal(t, []any{store.Restored, s.LastIndex()}, []any{w.r.Outcome, w.r.Index})
	}
	for range cap(fed) {
		require.ErrorIs(t, <-fed, store.ErrCompacted, "also who is ahead of the store")
	}
	_, err = sn.Get(idOf(1))
	require.ErrorIs(t, err, store.ErrCompacted)
	_, err = shown(sn.All())
	require.ErrorIs(t, err, store.ErrCompacted)
	late, err := s.Wait(t.Context(), idOf(1), store.QueryOptions{MinQueryIndex: last})
	require.NoError(t, err)
	require.Equal(t, store.Restored, late.Outcome, "also who was between two waits")
	for _, err := range s.Changes(t.Context(), last) {
		require.ErrorIs(t, err, store.ErrCompacted)
	}
}

// TestRestoreRefuses streams that are damaged anywhere, cut short anywhere, foreign or
// newer. Nothing changes, and nothing is left behind.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	from := open(t, filepath.Join(t.TempDir(), "from.db"), nil)
	upsert(t, from, placed(1), placed(2))
	upsert(t, from, changedName(1))
	stream, _ := backupOf(t, from)
	path := filepath.Join(t.TempDir(), "to.db")
	s := open(t, path, nil)
	upsert(t, s, placed(9))
	content, last := mustShow(t, s), s.LastIndex()
	refuses := func(why string, stream []byte, want error) {
		err := s.Restore(t.Context(), bytes.NewReader(stream))
		require.ErrorIs(t, err, want, why)
		require.Equal(t, last, s.LastIndex())
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 150 {
		n := r.IntN(len(stream))
		refuses(fmt.Sprint("cut at ", n), stream[:n], store.ErrCorrupt)
		damaged := bytes.Clone(stream)
		damaged[n] ^= 1 << r.IntN(8)
		if n < 8 || n >= 12 {
			refuses(fmt.Sprint("damaged at ", n), damaged, store.ErrCorrupt)
		}
	}
	newer := bytes.Clone(stream)
	newer[11]++
	refuses("newer", newer, store.ErrFormatVersion)
	refuses("more behind it", append(bytes.Clone(stream), 0), store.ErrCorrupt)
	refuses("foreign", []byte("BEGIN TRANSACTION; CREATE TABLE"), store.ErrCorrupt)
	refuses("empty", nil, store.ErrCorrupt)
	broken := errors.New("the network is down")
	require.ErrorIs(t, s.Restore(t.Context(), io.MultiReader(bytes.NewReader(stream[:20]), &failing{broken})), broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Restore(ctx, bytes.NewReader(stream)), context.Canceled)
	_, err := s.Backup(ctx, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Backup(t.Context(), &failing{broken})
	require.ErrorIs(t, err, broken)
	require.Equal(t, content, mustShow(t, s))
	onlyFile(t, path)
}

// failing fails whoever reads it or writes to it.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error)  { return 0, f.err }
func (f *failing) Write([]byte) (int, error) { return 0, f.err }

// TestBackupBesideWrites takes backups while allocations are written, deleted and
// compacted. Each must be the store as it was at its index.
func TestBackupBesideWrites(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "from.db"), &store.Options{FeedRetention: -1})
	to := open(t, filepath.Join(t.TempDir(), "to.db"), nil)
	var mu sync.Mutex
	states := map[uint64]string{1: ""}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		r := rand.New(rand.NewPCG(3, 3))
		for i := 0; ctx.Err() == nil; i++ {
			mu.Lock()
			err := writeOne(context.Background(), s, r, 30)
			content, e := shown(s.All())
			states[s.LastIndex()] = content
			mu.Unlock()
			if err = errors.Join(err, e); err == nil && i%50 == 0 {
				err = s.Compact(context.Background())
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 25 {
		stream, info := backupOf(t, s)
		require.NoError(t, to.Restore(t.Context(), bytes.NewReader(stream)))
		mu.Lock()
		want, ok := states[info.Index]
		mu.Unlock()
		require.True(t, ok)
		require.Equal(t, want, mustShow(t, to))
	}
	stop()
	writing.Wait()
}

// TestRestoreUnderReaders exchanges two contents again and again, while everything is
// read, from the file. No reader may see something of both at once.
func TestRestoreUnderReaders(t *testing.T) {
	t.Parallel()
	const ids, rounds = 60, 30
	var streams [2][]byte
	for i, name := range []string{"even", "odd"} {
		from := open(t, filepath.Join(t.TempDir(), name), nil)
		for n := range ids {
			a := placed(n)
			a.Name = name
			upsert(t, from, a)
		}
		streams[i], _ = backupOf(t, from)
	}
	s := open(t, filepath.Join(t.TempDir(), "to.db"), &store.Options{ResidentBytes: 1, FeedRetention: -1})
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(streams[0])))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	each := func(read func() error) {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := read(); err != nil && !errors.Is(err, store.ErrCompacted) {
					t.Error(err)
					return
				}
			}
		})
	}
	each(func() error { // one content, or an error
		names := make(map[string]int)
		for a, err := range s.All() {
			if err != nil {
				return err
			}
			names[a.Name]++
		}
		if len(names) != 1 || names["even"]+names["odd"] != ids {
			return fmt.Errorf("a list has %v", names)
		}
		return nil
	})
	each(func() error {
		n := rand.IntN(ids)
		a, err := s.Get(idOf(n))
		if err == nil && (a.ID != idOf(n) || a.NodeID != fmt.Sprint("node", n) || a.Name != "even" && a.Name != "odd") {
			err = fmt.Errorf("get of %s: %+v", idOf(n), a)
		}
		return err
	})
	each(func() error {
		r, err := s.Wait(ctx, idOf(5), store.QueryOptions{MinQueryIndex: s.LastIndex()})
		if err == nil && r.Outcome != store.Restored {
			err = fmt.Errorf("a wait returned %+v", r)
		}
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	for i := range rounds {
		require.NoError(t, s.Restore(t.Context(), bytes.NewReader(streams[(i+1)%2])))
		require.Equal(t, uint64(ids+1+i+1), s.LastIndex())
	}
	stop()
	readers.Wait()
}

// TestRestoreBoundsMemory reads a backup whose first record claims to have 4 GiB.
func TestRestoreBoundsMemory(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "to.db"), nil)
	var stream bytes.Buffer
	_, err := s.Backup(t.Context(), &stream)
	require.NoError(t, err)
	const magicAndHead = 12 + 5 + 8 + 4
	hostile := append(stream.Bytes()[:magicAndHead:magicAndHead], 'r', 0xff, 0xff, 0xff, 0xff)
	err = s.Restore(t.Context(), bytes.NewReader(hostile))
	require.ErrorIs(t, err, store.ErrTooLarge)
	require.ErrorContains(t, err, "backup at byte 29")
	require.ErrorIs(t, s.Restore(t.Context(), nil), store.ErrInvalid)
	_, err = s.Backup(t.Context(), nil)
	require.ErrorIs(t, err, store.ErrInvalid)
}

// TestOthersFilesStay opens a store whose unfinished files would have names that begin as the
// files of another do.
func TestOthersFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, filepath.Join(dir, "a.new-1"), nil)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".a.new-123"), nil, 0o600))
	open(t, filepath.Join(dir, "a"), nil)
	require.FileExists(t, filepath.Join(dir, ".a.new-1.lock"))
	require.NoFileExists(t, filepath.Join(dir, ".a.new-123"))
}
