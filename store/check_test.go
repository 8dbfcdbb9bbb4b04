package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
)

// checked returns the faults that Check finds.
func checked(s *Store) (faults []error) {
	for err := range s.Check(context.Background()) {
		faults = append(faults, err)
	}
	return faults
}

// TestCheckFinds breaks one thing at a time, in memory or in the file, and expects
// Check to name it.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	first, second := mustID(t, testAlloc(1).ID), mustID(t, testAlloc(2).ID)
	inFile := func(fn func(s *Store, tx *bbolt.Tx) error) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			require.NoError(t, s.file.db.Load().Update(func(tx *bbolt.Tx) error { return fn(s, tx) }))
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, *Store)
		want  string
	}{
		"a version of another record": {func(_ *testing.T, s *Store) {
			v := *s.table.get(&second)
			s.table.put(&first, &version{content: v.content})
		}, first.String() + ": in the file at 2.0, in the table at 3.0, and not the same"},
		"a checksum in the table": {func(_ *testing.T, s *Store) { s.table.get(&first).clientSum++ }, "not the same"},
		"an ID that the file has not": {func(_ *testing.T, s *Store) {
			v := *s.table.get(&first)
			s.table.put(&schema.ID{9}, &version{content: v.content})
		}, "in the table at 2.0, not in the file"},
		"an ID that the table has not": {func(_ *testing.T, s *Store) {
			v := *s.table.get(&first)
			v.job = nil
			require.True(t, s.table.forget(&first, v.pair().newest()))
		}, "in the file at 2.0, not in the table"},
		"an ID that a list lacks": {func(_ *testing.T, s *Store) { s.lists.mu.by[byNode]["node"].remove(first) }, `not in the list of node "node"`},
		"an ID that all lacks":    {func(_ *testing.T, s *Store) { s.lists.mu.all.remove(second) }, `not in the list of all`},
		"an ID in a wrong list": {func(_ *testing.T, s *Store) {
			s.lists.addLocked(listed{byEval, "other", first})
		}, `in the list of evaluation "other"`},
		"a count": {func(_ *testing.T, s *Store) { s.counts.allocations.Add(1) }, "allocations: 3 are counted, the file has 2"},
		"bytes":   {func(_ *testing.T, s *Store) { s.tally.live.Add(-1) }, "bytes of live records"},
		"a record that is gone": {inFile(func(_ *Store, tx *bbolt.Tx) error {
			return tx.Bucket(logBucket).Delete(key{index: 3}.appendTo(nil))
		}), "the content's sum"},
		"a record that is damaged": {inFile(func(_ *Store, tx *bbolt.Tx) error {
			k := key{index: 3}.appendTo(nil)
			value := append([]byte(nil), tx.Bucket(logBucket).Get(k)...)
			value[len(value)-1]++
			return tx.Bucket(logBucket).Put(k, value)
		}), "3.0: damaged: wrong checksum"},
		"a job that is gone": {inFile(func(s *Store, tx *bbolt.Tx) error {
			h := s.table.get(&first).job.hash
			return tx.Bucket(jobsBucket).Delete(h[:])
		}), "no job"},
		"the index in the file": {inFile(func(_ *Store, tx *bbolt.Tx) error {
			return tx.Bucket(metaBucket).Put([]byte("index"), key{index: 7}.appendTo(nil)[:8])
		}), "the content's sum"},
		"a key beside the others": {inFile(func(_ *Store, tx *bbolt.Tx) error {
			return tx.Bucket(metaBucket).Put([]byte("flour"), []byte("x"))
		}), `key "flour"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(filepath.Join(t.TempDir(), "check.db"), nil)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for n := range byte(2) {
				a := testAlloc(n + 1)
				a.NodeID = "node"
				_, err := s.Upsert(t.Context(), a)
				require.NoError(t, err)
			}
			require.Empty(t, checked(s))
			c.spoil(t, s)
			faults := checked(s)
			require.NotEmpty(t, faults)
			require.ErrorIs(t, faults[0], ErrCorrupt)
			require.ErrorContains(t, faults[0], s.file.path)
			require.ErrorContains(t, faults[0], c.want)
			for range s.Check(t.Context()) {
				break // whoever has seen enough may stop
			}
		})
	}
}

// TestCheckBesideWrites finds nothing wrong in a store that is written, compacted and
// read meanwhile.
func TestCheckBesideWrites(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "check.db"), &Options{DetectMutation: true, FeedRetention: -1})
	require.NoError(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for i := range 600 {
			a := testAlloc(byte(i % 50))
			a.Name, a.NodeID = string(rune('a'+i%26)), string(rune('a'+i%7))
			_, err := s.Upsert(context.Background(), a)
			if err == nil && i%3 == 0 {
				_, err = s.Delete(context.Background(), testAlloc(byte(i%50)).ID)
			}
			if err == nil && i%40 == 0 {
				err = s.Compact(context.Background())
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for running := true; running; {
		select {
		case <-over:
			running = false
		default:
		}
		require.Empty(t, checked(s))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for err := range s.Check(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	shut(t, s)
	faults := checked(s)
	require.Len(t, faults, 1)
	require.ErrorIs(t, faults[0], ErrClosed)
}

func mustID(t *testing.T, text string) schema.ID {
	t.Helper()
	id, err := schema.ParseID(text)
	require.NoError(t, err)
	return id
}

// TestCheckOfAFailedStore has the last commit be in the file, and be called a failure, so
// that nobody ever sees it.
func TestCheckOfAFailedStore(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "check.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	_, err = s.Upsert(t.Context(), testAlloc(1))
	require.NoError(t, err)
	unseen := newPlan(s)
	holds := s.holds
	unseen.holds = &holds
	require.NoError(t, s.file.db.Load().Update(func(tx *bbolt.Tx) error {
		unseen.begin(readingOf(tx))
		b := new(Batch)
		b.Upsert(testAlloc(2))
		if err := errors.Join(b.check(&s.opts), unseen.add(&request{batch: b})); err != nil {
			return err
		}
		unseen.holds.last = unseen.last
		return putContents(tx, unseen.holds)
	}))
	failure := ErrFailed
	s.failure.Store(&failure)
	require.Empty(t, checked(s))
}

// TestCheckBesideReturningIDs compares the lists while IDs that are on their way out of them
// come back.
func TestCheckBesideReturningIDs(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "check.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	for range 100 {
		place, remove, again := new(Batch), new(Batch), new(Batch)
		for i := range byte(250) {
			place.Upsert(testAlloc(i))
			remove.Delete(testAlloc(i).ID)
			again.Upsert(testAlloc(i))
		}
		_, err := s.Apply(t.Context(), place)
		require.NoError(t, err)
		reader := s.readers.enter(s.index.Last) // as Check itself is one
		_, err = s.Apply(t.Context(), remove)
		require.NoError(t, err)
		c := check{s: s}
		require.NoError(t, c.makeTwin(t.Context()))
		require.NoError(t, c.published(t.Context()))
		returned := make(chan error)
		go func() {
			_, err := s.Apply(context.Background(), again)
			returned <- err
		}()
		for over := false; !over; {
			select {
			case err := <-returned:
				require.NoError(t, err)
				over = true
			default:
				require.NoError(t, c.lists(t.Context()))
			}
		}
		require.Empty(t, c.found)
		s.leave(reader)
	}
}

// TestCheckBesideAClosingSnapshot compares the lists while IDs leave them, since the only
// snapshot that needed them is closed.
func TestCheckBesideAClosingSnapshot(t *testing.T) {
	t.Parallel()
	s, err := Open(filepath.Join(t.TempDir(), "check.db"), nil)
	require.NoError(t, err)
	defer func() { shut(t, s) }()
	for round := range 200 {
		place, remove := new(Batch), new(Batch)
		for i := range byte(250) {
			place.Upsert(testAlloc(i))
			remove.Delete(testAlloc(i).ID)
		}
		_, err := s.Apply(t.Context(), place)
		require.NoError(t, err)
		sn, err := s.Snapshot()
		require.NoError(t, err)
		_, err = s.Apply(t.Context(), remove)
		require.NoError(t, err)
		c := check{s: s}
		reader := s.readers.enter(s.index.Last)
		require.NoError(t, c.makeTwin(t.Context()))
		closed := make(chan error)
		go func() {
			time.Sleep(time.Duration(round%40) * 2 * time.Microsecond)
			closed <- sn.Close()
		}()
		require.NoError(t, c.lists(t.Context()))
		require.Empty(t, c.found)
		require.NoError(t, <-closed)
		s.leave(reader)
	}
}
