package store_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestReplicatedIsWrittenByEntries calls every other write.
func TestReplicatedIsWrittenByEntries(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "replicated.db"), &store.Options{Replicated: true})
	applyEach(t, s, 2)
	copied, _ := backupOf(t, s)
	applied := func(_ store.Applied, err error) error { return err }
	var b store.Batch
	b.Upsert(placed(1))
	for name, err := range map[string]error{
		"Apply":            applied(s.Apply(t.Context(), &b)),
		"ApplyAt":          applied(s.ApplyAt(t.Context(), 9, &b)),
		"Upsert":           applied(s.Upsert(t.Context(), placed(1))),
		"UpdateFromClient": applied(s.UpdateFromClient(t.Context(), placed(1))),
		"SetDesiredStatus": applied(s.SetDesiredStatus(t.Context(), idOf(2), "stop", "")),
		"Delete":           applied(s.Delete(t.Context(), idOf(2))),
		"Restore":          s.Restore(t.Context(), bytes.NewReader(copied)),
	} {
		require.ErrorIs(t, err, store.ErrReplicated, name)
	}
	require.Equal(t, []uint64{2, 2}, []uint64{s.LastIndex(), s.AppliedIndex()})
	require.NoError(t, s.Compact(t.Context()), "maintenance goes on")
}

// TestReplicaRefusesDamage opens damaged files as replicas. The error says what to do, and releases
// the file.
func TestReplicaRefusesDamage(t *testing.T) {
	t.Parallel()
	for name, d := range damages {
		path, _ := damagedStore(t, name)
		for range 2 {
			_, err := store.Open(path, &store.Options{Replicated: true, Logger: silent, LockTimeout: -1})
			require.ErrorIs(t, err, store.ErrCorrupt, name)
			require.ErrorContains(t, err, d.place)
			require.ErrorContains(t, err, "install a backup of another replica")
		}
	}
}

// TestDamageFailsAReplica damages the file of an open store, so that an entry cannot be applied.
// Other nodes may take it: the error is that of the call, and the replica fails.
func TestDamageFailsAReplica(t *testing.T) {
	t.Parallel()
	for _, replicated := range []bool{false, true} {
		path := tempPath(t, "damaged.db")
		s, err := store.Open(path, &store.Options{Replicated: replicated, ResidentBytes: 1, Logger: silent})
		require.NoError(t, err)
		a := placed(2)
		a.ClientDescription = "to be damaged"
		_, err = s.ApplyEntries(t.Context(), []store.Entry{entryOf(2, func(b *store.Batch) { b.Upsert(a) }), {Index: 3}})
		require.NoError(t, err)
		at := bytes.Index(readFile(t, path), []byte(a.ClientDescription))
		require.Positive(t, at)
		overwrite(t, path, at, []byte("X"))
		entries := []store.Entry{
			entryOf(4, func(b *store.Batch) { b.Upsert(placed(4)) }),
			entryOf(5, func(b *store.Batch) { b.SetClientStatus(idOf(2), "running", "") }),
			entryOf(6, func(b *store.Batch) { b.Upsert(placed(6)) }),
		}
		got, err := s.ApplyEntries(t.Context(), entries)
		require.ErrorIs(t, err, store.ErrCorrupt)
		if replicated {
			require.ErrorIs(t, err, store.ErrFailed)
			require.ErrorIs(t, s.Err(), store.ErrFailed)
			require.Empty(t, got)
			require.Equal(t, uint64(3), s.AppliedIndex())
		} else {
			require.NoError(t, s.Err())
			require.Equal(t, []store.Result{{Applied: store.Applied{Index: 4}}}, got, "the entries before are applied")
			require.Equal(t, uint64(4), s.AppliedIndex(), "and those after it are not")
		}
		_ = s.Close()
	}
}

// TestReaderFromAReplicaAhead has readers that know of indexes above the last one. They wait, and
// no result has an index below theirs.
func TestReaderFromAReplicaAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openToClose(t, tempPath(t, "behind.db"), &store.Options{Replicated: true})
		defer shut(t, s)
		applyEach(t, s, 2, 3)
		ctx, cancel := context.WithCancel(t.Context())
		changes, stream := make(chan uint64, 9), make(chan uint64, 9)
		go func() {
			for ch, err := range s.Changes(ctx, 50) {
				if ctx.Err() == nil {
					require.NoError(t, err)
					changes <- ch.Index
				}
			}
		}()
		go func() {
			for ch, err := range s.Follow(ctx, store.Everything(), 50) {
				if ctx.Err() == nil {
					require.NoError(t, err)
					stream <- ch.Index
				}
			}
		}()
		opts := store.QueryOptions{MinQueryIndex: 50, MaxQueryTime: time.Minute}
		for _, ids := range [][]string{{idOf(2)}, {idOf(9)}, {idOf(2), idOf(9)}} {
			r, err := s.WaitAny(ctx, ids, opts)
			require.NoError(t, err)
			require.Equal(t, store.TimedOut, r.Outcome)
			require.Equal(t, uint64(50), r.Index, "%v", ids)
		}
		list, err := s.WaitList(ctx, store.Everything(), opts)
		require.NoError(t, err)
		require.Equal(t, store.ListResult{Index: 50, Outcome: store.TimedOut}, list)

		opts.MaxQueryTime = store.LongestMaxQueryTime
		one, all := make(chan store.WaitResult, 1), make(chan store.ListResult, 1)
		go func() { r, _ := s.Wait(ctx, idOf(60), opts); one <- r }()
		go func() { r, _ := s.WaitList(ctx, store.Everything(), opts); all <- r }()
		synctest.Wait()
		applyEach(t, s, 40)
		_, err = s.ApplyEntries(ctx, []store.Entry{{Index: 45, Mark: true}})
		require.NoError(t, err)
		applyEach(t, s, 49, 50)
		synctest.Wait()
		require.Zero(t, len(changes)+len(stream)+len(one)+len(all), "they have seen these, and the restore too")
		applyEach(t, s, 60)
		synctest.Wait()
		require.Equal(t, []uint64{60, 60}, []uint64{<-changes, <-stream})
		require.Equal(t, []uint64{60, 60}, []uint64{(<-one).Index, (<-all).Index})
		cancel()
	})
}

// TestFloorOfEntries compacts a replica that is to keep nothing. It keeps what is above the highest
// Floor of all entries, also when it is opened again, and when a backup of it is restored.
func TestFloorOfEntries(t *testing.T) {
	t.Parallel()
	path, opts := tempPath(t, "floor.db"), &store.Options{Replicated: true, FeedRetention: -1}
	s := openToClose(t, path, opts)
	floor := func(at, set, want uint64) {
		t.Helper()
		e := entryOf(at, func(b *store.Batch) { b.SetClientStatus(idOf(2), "running", time.Now().String()) })
		e.Limits.Floor = set
		_, err := s.ApplyEntries(t.Context(), []store.Entry{e})
		require.NoError(t, err)
		require.NoError(t, s.Sweep(t.Context()))
		require.NoError(t, s.Compact(t.Context()))
		require.Equal(t, want, s.Stats().Floor)
	}
	applyEach(t, s, 2, 3, 4)
	floor(5, 0, 0)
	floor(6, 4, 4)
	floor(7, 2, 4)
	shut(t, s)
	s = openToClose(t, path, opts)
	floor(8, 0, 4)
	conflict := func(s *store.Store, at, index uint64, want error) {
		t.Helper()
		got, err := s.ApplyEntries(t.Context(), []store.Entry{entryOf(at, func(b *store.Batch) { b.ExpectList(store.Node("x"), index) })})
		require.NoError(t, err)
		require.ErrorIs(t, got[0].Err, want)
	}
	conflict(s, 10, 3, store.ErrConflict)
	conflict(s, 11, 4, nil)
	copied, info := backupOf(t, s)
	require.Equal(t, []uint64{8, 11}, []uint64{info.Index, info.Applied})
	shut(t, s)
	restored := open(t, tempPath(t, "restored.db"), &store.Options{FeedRetention: -1})
	require.NoError(t, restored.Restore(t.Context(), bytes.NewReader(copied)))
	require.Equal(t, uint64(11), restored.AppliedIndex())

	killed := tempPath(t, "killed.db")
	writeFile(t, killed, readFile(t, path))
	s = open(t, killed, opts)
	conflict(s, 12, 3, store.ErrConflict)
}

// TestDamagedNote damages the note in the file. It is damage like that of a job: the store opens at
// its last index, and a replica does not.
func TestDamagedNote(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "note.db")
	s := openToClose(t, path, nil)
	applyEach(t, s, 2)
	_, err := s.ApplyEntries(t.Context(), []store.Entry{{Index: 9}})
	require.NoError(t, err)
	shut(t, s)
	file := readFile(t, path)
	damaged := bytes.ReplaceAll(file, []byte("allocstore note\x00"), []byte("allocstore note\x01"))
	require.NotEqual(t, file, damaged)
	require.NoError(t, os.WriteFile(path, damaged, 0o600))
	_, err = store.Open(path, &store.Options{Replicated: true, Logger: silent})
	require.ErrorIs(t, err, store.ErrCorrupt)
	s, err = store.Open(path, &store.Options{Logger: silent})
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 2}, []uint64{s.LastIndex(), s.AppliedIndex()})
	_, err = s.ApplyEntries(t.Context(), []store.Entry{{Index: 9}})
	require.NoError(t, err)
	require.NoError(t, s.Compact(t.Context()))
	store.RequireSound(t, s)
	require.NoError(t, s.Close())
	s = open(t, path, &store.Options{Replicated: true})
	require.Equal(t, uint64(9), s.AppliedIndex(), "Compact leaves the damaged one behind")
}
