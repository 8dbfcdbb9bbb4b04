package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

// storeWithHistory returns a store with placed, updated, replaced and deleted allocations, some of
// whose records compaction has removed.
func storeWithHistory(t *testing.T, name string) *store.Store {
	t.Helper()
	s := open(t, tempPath(t, name), &store.Options{FeedRetention: 10})
	for i := range 40 {
		a := placed(i)
		a.Name = name
		upsert(t, s, a)
		ev := schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)}
		_, err := s.AppendTaskEvent(t.Context(), idOf(i), "task", schema.TaskStateRunning, ev)
		require.NoError(t, err)
	}
	remove(t, s, idOf(3), idOf(39))
	require.NoError(t, s.Sweep(t.Context()))
	next := placed(50)
	next.PreviousAllocation = idOf(5)
	upsert(t, s, next)
	return s
}

// TestRestore restores the backup of one store into an empty store, into one with a higher index,
// and into the store itself.
func TestRestore(t *testing.T) {
	t.Parallel()
	from := storeWithHistory(t, "from.db")
	stream, info := backupOf(t, from)
	require.Equal(t, from.LastIndex(), info.Index)
	want := contentOf(t, from)
	empty := open(t, tempPath(t, "empty.db"), nil)
	ahead := storeWithHistory(t, "ahead.db")
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
		require.Equal(t, want, contentOf(t, c.s))
		deleted, err := c.s.Wait(t.Context(), idOf(39), store.QueryOptions{})
		require.NoError(t, err)
		require.Equal(t, store.WaitResult{ID: idOf(39), Index: c.last, Outcome: store.Deleted}, deleted, "a backup has the remembered deletions")
		again, _ := backupOf(t, c.s)
		other := open(t, tempPath(t, "other.db"), nil)
		require.NoError(t, other.Restore(t.Context(), bytes.NewReader(again)))
		require.Equal(t, want, contentOf(t, other))
		index := upsert(t, c.s, changedName(1))
		require.Equal(t, c.last+1, index, "the next write has the next index")
	}
	path := tempPath(t, "reopened.db")
	s := openToClose(t, path, nil)
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
	shut(t, s)
	s = open(t, path, nil)
	require.Equal(t, want, contentOf(t, s))
	require.Equal(t, info.Index, s.LastIndex())
}

// TestRestoreTellsReaders restores a store under a snapshot, a feed and waits. The snapshot and the
// feed get ErrRestored, and the waits return Restored.
func TestRestoreTellsReaders(t *testing.T) {
	t.Parallel()
	stream, _ := backupOf(t, storeWithHistory(t, "from.db"))
	s := storeWithHistory(t, "to.db")
	last := s.LastIndex()
	sn, err := s.Snapshot()
	require.NoError(t, err)
	defer sn.Close()
	fed := make(chan error, 1)
	go func() {
		for _, err := range s.Changes(context.Background(), last) {
			fed <- err
		}
	}()
	type reply struct {
		r   store.WaitResult
		err error
	}
	waits := make(chan reply, 3)
	for _, w := range []struct {
		id  string
		min uint64
	}{{idOf(1), last}, {idOf(77), last}, {idOf(2), last + 1000}} {
		go func() {
			r, err := s.Wait(context.Background(), w.id, store.QueryOptions{MinQueryIndex: w.min})
			waits <- reply{r, err}
		}()
	}
	for s.Stats().Waiters < 3 || s.Stats().Readers < 2 {
		require.NoError(t, t.Context().Err())
	}
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(stream)))
	for range 3 {
		w := <-waits
		require.NoError(t, w.err)
		require.Equal(t, []any{store.Restored, s.LastIndex()}, []any{w.r.Outcome, w.r.Index})
	}
	err = <-fed
	require.ErrorIs(t, err, store.ErrRestored)
	require.ErrorIs(t, err, store.ErrCompacted, "ErrRestored is also ErrCompacted")
	_, err = sn.Get(idOf(1))
	require.ErrorIs(t, err, store.ErrRestored)
	_, err = encoded(sn.All())
	require.ErrorIs(t, err, store.ErrRestored)
	late, err := s.Wait(t.Context(), idOf(1), store.QueryOptions{MinQueryIndex: last})
	require.NoError(t, err)
	require.Equal(t, store.Restored, late.Outcome, "also a reader between two waits")
	for _, err := range s.Changes(t.Context(), last) {
		require.ErrorIs(t, err, store.ErrCompacted)
		require.NotErrorIs(t, err, store.ErrRestored, "a feed that begins after the restore")
	}
}

// TestRestoreRefuses restores streams that are damaged, cut short, foreign or newer. The store
// stays as it was, and no file is left.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	from := open(t, tempPath(t, "from.db"), nil)
	upsert(t, from, placed(1), placed(2))
	upsert(t, from, changedName(1))
	stream, _ := backupOf(t, from)
	path := tempPath(t, "to.db")
	s := open(t, path, nil)
	upsert(t, s, placed(9))
	content, last := contentOf(t, s), s.LastIndex()
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
	refuses("longer", append(bytes.Clone(stream), 0), store.ErrCorrupt)
	refuses("foreign", []byte("BEGIN TRANSACTION; CREATE TABLE"), store.ErrCorrupt)
	refuses("empty", nil, store.ErrCorrupt)
	broken := errors.New("the network is down")
	require.ErrorIs(t, s.Restore(t.Context(), io.MultiReader(bytes.NewReader(stream[:20]), &failingIO{broken})), broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Restore(ctx, bytes.NewReader(stream)), context.Canceled)
	_, err := s.Backup(ctx, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Backup(t.Context(), &failingIO{broken})
	require.ErrorIs(t, err, broken)
	require.Equal(t, content, contentOf(t, s))
	onlyFile(t, path)
}

// failingIO returns its error from every read and write.
type failingIO struct{ err error }

func (f *failingIO) Read([]byte) (int, error)  { return 0, f.err }
func (f *failingIO) Write([]byte) (int, error) { return 0, f.err }

// TestRestoreUnderReaders restores two backups in turn under lists, lookups and waits, which read
// from the file. No reader may see a mixture of the two contents.
func TestRestoreUnderReaders(t *testing.T) {
	t.Parallel()
	const ids, rounds = 60, 30
	var streams [2][]byte
	for i, name := range []string{"even", "odd"} {
		from := open(t, tempPath(t, name), nil)
		for n := range ids {
			a := placed(n)
			a.Name = name
			upsert(t, from, a)
		}
		streams[i], _ = backupOf(t, from)
	}
	s := open(t, tempPath(t, "to.db"), &store.Options{ResidentBytes: 1, FeedRetention: -1})
	require.NoError(t, s.Restore(t.Context(), bytes.NewReader(streams[0])))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	each := func(read func() error) {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := read(); err != nil && !errors.Is(err, store.ErrRestored) {
					t.Error(err)
					return
				}
			}
		})
	}
	each(func() error {
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

// TestRestoreBoundsMemory restores a backup whose first record has a length of 4 GiB.
func TestRestoreBoundsMemory(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "to.db"), nil)
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

// TestOpenKeepsFilesOfOtherStores opens the store "a" beside a store whose lock file has the prefix
// of a's temporary files.
func TestOpenKeepsFilesOfOtherStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, filepath.Join(dir, "a.new-1"), nil)
	writeFile(t, filepath.Join(dir, ".a.new-123"), "")
	open(t, filepath.Join(dir, "a"), nil)
	require.FileExists(t, filepath.Join(dir, ".a.new-1.lock"))
	require.NoFileExists(t, filepath.Join(dir, ".a.new-123"))
}
