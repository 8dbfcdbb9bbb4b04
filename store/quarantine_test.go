package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

// withDamage are six allocations, of which one thing each is damaged in the file.
var withDamage = map[string]struct {
	bucket   string
	value    func(k, v []byte) bool // which value of the bucket
	victims  []int                  // the allocations that need it
	unplaced bool                   // it says where they are placed
	place    string                 // what errors name
}{
	"the scheduler's part":        {"log", recordAt(2, 1), []int{1}, true, "record 2.1"},
	"the client's part":           {"log", recordAt(4, 0), []int{2}, false, "record 4.0"},
	"the first record of two":     {"log", recordAt(2, 3), []int{3}, false, "record 2.3"},
	"a record that is superseded": {"log", recordAt(7, 0), nil, false, "record 7.0"},
	"a job":                       {"jobs", func(_, v []byte) bool { return bytes.Contains(v, []byte("other")) }, []int{4, 5}, false, "job "},
}

const damagedOf = 6

func recordAt(index uint64, pos uint32) func(k, v []byte) bool {
	at := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, index), pos)
	return func(k, _ []byte) bool { return bytes.Equal(k, at) }
}

// damagedStore returns the path of a store in which that is damaged, and what every
// allocation was before.
func damagedStore(t *testing.T, name string) (path string, was []*schema.Allocation) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "damaged.db")
	s, err := store.Open(path, noticing)
	require.NoError(t, err)
	var all []*schema.Allocation
	for n := range damagedOf {
		a := placed(n)
		if n >= 4 {
			a.Job = &schema.Job{ID: "other"}
		}
		all = append(all, a)
	}
	update := func(n int, status string) {
		_, err := s.UpdateFromClient(t.Context(), &schema.Allocation{ID: idOf(n), ClientStatus: status})
		require.NoError(t, err)
	}
	upsert(t, s, all...)         // 2
	update(1, "running")         // 3
	update(2, "running")         // 4
	upsert(t, s, changedName(2)) // 5
	upsert(t, s, changedName(3)) // 6
	update(0, "running")         // 7
	update(0, "complete")        // 8
	for n := range damagedOf {
		a, err := s.Get(idOf(n))
		require.NoError(t, err)
		was = append(was, a.Clone())
	}
	shut(t, s)
	damage := withDamage[name]
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(damage.bucket)).ForEach(func(k, v []byte) error {
			if !damage.value(k, v) {
				return nil
			}
			v = bytes.Clone(v)
			v[len(v)-1] ^= 0x10
			return tx.Bucket([]byte(damage.bucket)).Put(bytes.Clone(k), v)
		})
	})
	return path, was
}

// TestQuarantine damages what some allocations consist of: they are refused to readers
// and writers, everything else is served and written, a backup and a rewrite of the file
// keep it so, and a deletion is the cure.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	for name, damage := range withDamage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, was := damagedStore(t, name)
			var log bytes.Buffer
			s, err := store.Open(path, &store.Options{DetectMutation: true, FeedRetention: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			t.Cleanup(func() {
				for err := range s.Check(context.Background()) {
					require.NoError(t, err)
				}
				shut(t, s)
			})
			require.Contains(t, log.String(), damage.place)
			require.Contains(t, log.String(), path)

			q := quarantined{t, was, damage.victims, damage.unplaced, damage.place}
			q.look(s)
			q.feed(s)
			q.refusesWrites(s)
			q.look(s)
			q.restored(s)
			superseded := len(damage.victims) == 0
			require.NoError(t, s.Compact(t.Context()))
			if superseded {
				require.Zero(t, s.Stats().Damaged, "compaction has removed it")
			} else {
				q.look(s)
			}
			q.cure(s)
		})
	}
}

// quarantined is what a store with damage is to show.
type quarantined struct {
	t        *testing.T
	was      []*schema.Allocation
	victims  []int
	unplaced bool
	place    string
}

func (q *quarantined) is(n int) bool { return slices.Contains(q.victims, n) }

// look reads all that there is, in every way.
func (q *quarantined) look(s *store.Store) {
	t := q.t
	t.Helper()
	for n, want := range q.was {
		got, err := s.Get(idOf(n))
		result, waitErr := s.Wait(t.Context(), idOf(n), store.QueryOptions{MinQueryIndex: 1})
		if q.is(n) {
			q.refused(err)
			q.refused(waitErr)
			require.Equal(t, idOf(n), result.ID)
			require.Greater(t, result.Index, uint64(1))
			continue
		}
		require.NoError(t, err)
		require.NoError(t, waitErr)
		require.Equal(t, want, got)
		require.Equal(t, want, result.Alloc)
	}
	q.list(s.All(), func(int) bool { return true }, false)
	q.list(s.ByPrefix("0000000"), func(int) bool { return true }, false)
	q.list(s.ByNode("node2"), func(n int) bool { return n == 2 }, q.unplaced)
	q.list(s.ByNode("nowhere"), func(int) bool { return false }, q.unplaced)
	q.list(s.ByJob("job"), func(int) bool { return true }, q.unplaced)
	q.list(s.ByEval("eval"), func(int) bool { return true }, q.unplaced)

	stats := s.Stats()
	require.Equal(t, len(q.was), stats.Allocations)
	require.Equal(t, len(q.victims), stats.Quarantined)
	require.Equal(t, 1, stats.Damaged)
	var faults []error
	for err := range s.Check(t.Context()) {
		faults = append(faults, err)
	}
	require.Len(t, faults, 1, "%v", faults)
	q.refused(faults[0])
}

func (q *quarantined) refused(err error) {
	q.t.Helper()
	require.ErrorIs(q.t, err, store.ErrCorrupt)
	require.ErrorContains(q.t, err, q.place)
}

// list expects those that belong to the list, in order, and the errors of the others
// among them, or at its end.
func (q *quarantined) list(all store.Allocations, belongs func(n int) bool, atEnd bool) {
	t := q.t
	t.Helper()
	var got, want []string
	for a, err := range all {
		if err != nil {
			q.refused(err)
			got = append(got, "damaged")
			continue
		}
		got = append(got, a.ID)
	}
	for n := range q.was {
		switch {
		case q.is(n) && atEnd:
		case belongs(n) && q.is(n):
			want = append(want, "damaged")
		case belongs(n):
			want = append(want, idOf(n))
		}
	}
	if atEnd {
		want = append(want, "damaged")
	}
	require.Equal(t, want, got)
	for range all {
		break // whoever has seen enough may stop
	}
}

// feed expects the changes up to the first that cannot be told.
func (q *quarantined) feed(s *store.Store) {
	ctx, cancel := context.WithTimeout(q.t.Context(), 50*time.Millisecond)
	defer cancel()
	n := 0
	for _, err := range s.Changes(ctx, 0) {
		if errors.Is(err, context.DeadlineExceeded) {
			q.t.Errorf("%d changes, and none is damaged", n)
		} else if err != nil {
			q.refused(err)
		}
		n++
	}
}

// refusesWrites expects that nothing can be written to a victim, and everything to the
// others.
func (q *quarantined) refusesWrites(s *store.Store) {
	t := q.t
	t.Helper()
	last := s.LastIndex()
	for _, n := range q.victims {
		successor := placed(100)
		successor.PreviousAllocation = idOf(n)
		for _, write := range []func(*store.Batch){
			func(b *store.Batch) { b.Upsert(changedName(n)) },
			func(b *store.Batch) { b.UpdateFromClient(&schema.Allocation{ID: idOf(n), ClientStatus: "lost"}) },
			func(b *store.Batch) { b.AppendTaskEvent(idOf(n), "task", "running", schema.TaskEvent{Type: "Started"}) },
			func(b *store.Batch) { b.Upsert(successor) },
		} {
			b := new(store.Batch)
			b.UpdateFromClient(&schema.Allocation{ID: idOf(0), ClientStatus: "lost"})
			write(b)
			_, err := s.Apply(t.Context(), b)
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.ErrorContains(t, err, idOf(n))
		}
	}
	require.Equal(t, last, s.LastIndex(), "nothing has changed")
	require.NoError(t, func() error {
		_, err := s.UpdateFromClient(t.Context(), &schema.Allocation{ID: idOf(0), ClientStatus: "failed"})
		return err
	}())
	a, err := s.Get(idOf(0))
	require.NoError(t, err)
	q.was[0] = a.Clone()
}

// restored makes a backup, and expects the same of a store that is restored from it.
func (q *quarantined) restored(s *store.Store) {
	t := q.t
	t.Helper()
	var stream bytes.Buffer
	info, err := s.Backup(t.Context(), &stream)
	require.NoError(t, err)
	require.Equal(t, 1, info.Damaged)
	other, err := store.Open(filepath.Join(t.TempDir(), "restored.db"), &store.Options{DetectMutation: true, FeedRetention: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, other.Restore(t.Context(), &stream))
	q.look(other)
	q.cure(other)
	shut(t, other)
}

// cure deletes the victims and places them again, or places something with the damaged
// job.
func (q *quarantined) cure(s *store.Store) {
	t := q.t
	t.Helper()
	if q.place == "job " {
		a := placed(100)
		a.Job = &schema.Job{ID: "other"}
		upsert(t, s, a)
		for _, n := range q.victims {
			a, err := s.Get(idOf(n))
			require.NoError(t, err)
			require.Equal(t, q.was[n], a)
		}
		require.Zero(t, s.Stats().Quarantined)
		require.Zero(t, s.Stats().Damaged)
		return
	}
	sn, err := s.Snapshot()
	require.NoError(t, err)
	for _, n := range q.victims {
		_, err := s.Delete(t.Context(), idOf(n))
		require.NoError(t, err)
		_, err = s.Get(idOf(n))
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	for _, n := range q.victims {
		upsert(t, s, placed(n))
	}
	if len(q.victims) > 0 {
		q.list(sn.All(), func(int) bool { return true }, false)
		q.list(sn.ByNode("nowhere"), func(int) bool { return false }, q.unplaced)
	}
	require.NoError(t, sn.Close())
	for _, all := range []store.Allocations{s.All(), s.ByNode("nowhere"), s.ByNode("node1"), s.ByEval("eval")} {
		for _, err := range all {
			require.NoError(t, err)
		}
	}
	require.Zero(t, s.Stats().Quarantined)
	require.NoError(t, s.Compact(t.Context()))
	require.Zero(t, s.Stats().Damaged, "compaction has removed it")
}

// TestCureInOneBatch deletes a quarantined allocation, and goes on with it in the same batch.
func TestCureInOneBatch(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*store.Batch){
		"its client":  func(b *store.Batch) { b.UpdateFromClient(&schema.Allocation{ID: idOf(1), ClientStatus: "running"}) },
		"an event":    func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "t", "running", schema.TaskEvent{Type: "Started"}) },
		"the next":    func(b *store.Batch) { a := placed(50); a.PreviousAllocation = idOf(1); b.Upsert(a) },
		"a placement": func(b *store.Batch) { b.Upsert(placed(1)) },
		"nothing":     func(*store.Batch) {},
	} {
		path, _ := damagedStore(t, "the scheduler's part")
		s := open(t, path, &store.Options{Logger: slog.New(slog.DiscardHandler), FeedRetention: -1})
		before, err := s.Snapshot()
		require.NoError(t, err)
		a := placed(1)
		a.NodeID = "" // a list as any other
		b := new(store.Batch)
		b.Delete(idOf(1))
		b.Upsert(a)
		more(b)
		_, err = s.Apply(t.Context(), b)
		require.NoError(t, err, name)

		node := map[bool]string{true: "node1"}[name == "a placement"]
		for range 2 {
			q := quarantined{t: t, was: make([]*schema.Allocation, damagedOf), victims: []int{1}, place: "record 2.1"}
			q.list(before.ByNode(node), func(int) bool { return false }, true) // once, at the end
			ids := 0
			for a, err := range s.ByNode(node) {
				require.NoError(t, err)
				require.Equal(t, idOf(1), a.ID)
				ids++
			}
			require.Equal(t, 1, ids)
		}
		require.NoError(t, before.Close())
		require.NoError(t, s.Compact(t.Context()))
	}
}

// TestFeedUpToWhatIsDamaged reads what comes before it, all of it.
func TestFeedUpToWhatIsDamaged(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the client's part")
	s, err := store.Open(path, &store.Options{DetectMutation: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var indexes []uint64
	for ch, err := range s.Changes(t.Context(), 0) {
		if err != nil {
			require.ErrorIs(t, err, store.ErrCorrupt)
			break
		}
		indexes = append(indexes, ch.Index)
	}
	require.Equal(t, []uint64{2, 2, 2, 2, 2, 2, 3}, indexes)
	require.NoError(t, s.Close())
}

// TestHealedWhileCompacted writes a damaged job again after the new file has got it as it
// was: the exchange must not bring the damage back.
func TestHealedWhileCompacted(t *testing.T) {
	t.Parallel()
	path, was := damagedStore(t, "a job")
	s := open(t, path, &store.Options{Logger: slog.New(slog.DiscardHandler), FeedRetention: -1})
	require.Equal(t, 2, s.Stats().Quarantined)
	require.NoError(t, s.CompactAround(t.Context(), func() {
		a := placed(100)
		a.Job = &schema.Job{ID: "other"}
		upsert(t, s, a)
	}))
	for range 2 {
		for n, want := range was {
			got, err := s.Get(idOf(n))
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		require.Zero(t, s.Stats().Damaged)
		shut(t, s)
		s = open(t, path, nil)
	}
}
