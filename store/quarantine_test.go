package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

// damage is one damaged value in the file.
type damage struct {
	bucket           string
	value            func(k, v []byte) bool // selects a value of the bucket
	allocs           []int                  // the allocations that need the value: they are quarantined
	unknownPlacement bool                   // the value has the placement of these allocations
	place            string                 // in the error's message
}

// damages has each damage to a store of damagedOf allocations.
var damages = map[string]damage{
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

// damagedStore returns the path of a store with that damage, and its allocations from before.
func damagedStore(t *testing.T, name string) (path string, was []*schema.Allocation) {
	t.Helper()
	path = tempPath(t, "damaged.db")
	s := openToClose(t, path, nil)
	var all []*schema.Allocation
	for n := range damagedOf {
		a := placed(n)
		if n >= 4 {
			a.Job = &schema.Job{ID: "other"}
		}
		all = append(all, a)
	}
	update := func(n int, status string) {
		updateClient(t, s, &schema.Allocation{ID: idOf(n), ClientStatus: status})
	}
	upsert(t, s, all...)         // at index 2
	update(1, "running")         // 3
	update(2, "running")         // 4
	upsert(t, s, changedName(2)) // 5
	upsert(t, s, changedName(3)) // 6
	update(0, "running")         // 7
	update(0, "complete")        // 8
	for n := range damagedOf {
		was = append(was, mustGet(t, s, n).Clone())
	}
	shut(t, s)
	d := damages[name]
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(d.bucket)).ForEach(func(k, v []byte) error {
			if !d.value(k, v) {
				return nil
			}
			v = bytes.Clone(v)
			v[len(v)-1] ^= 0x10
			return tx.Bucket([]byte(d.bucket)).Put(bytes.Clone(k), v)
		})
	})
	return path, was
}

// TestQuarantine damages a record or a job. The allocations that need it are refused to readers
// and writers, and all others are served. A backup and Compact keep that state. Deleting the
// allocations ends it.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, was := damagedStore(t, name)
			var log bytes.Buffer
			s := openToClose(t, path, &store.Options{FeedRetention: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			t.Cleanup(func() { shut(t, s) })
			require.Contains(t, log.String(), d.place)
			require.Contains(t, log.String(), path)

			q := quarantined{damage: d, t: t, was: was}
			q.requireReads(s)
			q.requireFeed(s)
			q.requireWritesRefused(s)
			q.requireReads(s)
			q.requireBackup(s)
			superseded := len(d.allocs) == 0
			require.NoError(t, s.Compact(t.Context()))
			if superseded {
				require.Zero(t, s.Stats().Damaged, "compaction removes a damaged record that is superseded")
			} else {
				q.requireReads(s)
			}
			q.repair(s)
		})
	}
}

// quarantined checks a store with a damage.
type quarantined struct {
	damage
	t   *testing.T
	was []*schema.Allocation // before the damage
}

// has reports whether the n-th allocation is quarantined.
func (q *quarantined) has(n int) bool { return slices.Contains(q.allocs, n) }

// requireReads compares all reads, Stats and Check with the expected ones.
func (q *quarantined) requireReads(s *store.Store) {
	t := q.t
	t.Helper()
	for n, want := range q.was {
		got, err := s.Get(idOf(n))
		result, waitErr := s.Wait(t.Context(), idOf(n), store.QueryOptions{MinQueryIndex: 1})
		if q.has(n) {
			q.requireDamage(err)
			q.requireDamage(waitErr)
			require.Equal(t, idOf(n), result.ID)
			require.Greater(t, result.Index, uint64(1))
			continue
		}
		require.NoError(t, err)
		require.NoError(t, waitErr)
		require.Equal(t, want, got)
		require.Equal(t, want, result.Alloc)
	}
	q.requireList(s.All(), func(int) bool { return true }, false)
	q.requireList(s.ByPrefix("0000000"), func(int) bool { return true }, false)
	q.requireList(s.ByNode("node2"), func(n int) bool { return n == 2 }, q.unknownPlacement)
	q.requireList(s.ByNode("nowhere"), func(int) bool { return false }, q.unknownPlacement)
	q.requireList(s.ByJob("job"), func(int) bool { return true }, q.unknownPlacement)
	q.requireList(s.ByEval("eval"), func(int) bool { return true }, q.unknownPlacement)

	stats := s.Stats()
	require.Equal(t, len(q.was), stats.Allocations)
	require.Equal(t, len(q.allocs), stats.Quarantined)
	require.Equal(t, 1, stats.Damaged)
	faults := store.Faults(s)
	require.Len(t, faults, 1, "%v", faults)
	q.requireDamage(faults[0])
}

// requireDamage requires an error that names the damage.
func (q *quarantined) requireDamage(err error) {
	q.t.Helper()
	require.ErrorIs(q.t, err, store.ErrCorrupt)
	require.ErrorContains(q.t, err, q.place)
}

// requireList requires the allocations that belong to the list, in order. A quarantined one is an
// error in its place, or, if its placement is unknown, at the end of every list.
func (q *quarantined) requireList(all store.Allocations, belongs func(n int) bool, atEnd bool) {
	t := q.t
	t.Helper()
	var got, want []string
	for a, err := range all {
		if err != nil {
			q.requireDamage(err)
			got = append(got, "damaged")
			continue
		}
		got = append(got, a.ID)
	}
	for n := range q.was {
		switch {
		case q.has(n) && atEnd:
		case belongs(n) && q.has(n):
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
		break // the caller may stop early
	}
}

// requireFeed requires that the feed ends with an error at the damage.
func (q *quarantined) requireFeed(s *store.Store) {
	ctx, cancel := context.WithTimeout(q.t.Context(), 50*time.Millisecond)
	defer cancel()
	n := 0
	for _, err := range s.Changes(ctx, 0) {
		if errors.Is(err, context.DeadlineExceeded) {
			q.t.Errorf("the feed had %d changes and passed the damage", n)
		} else if err != nil {
			q.requireDamage(err)
		}
		n++
	}
}

// requireWritesRefused requires that every write to a quarantined allocation is refused, with its
// whole batch, and that other writes succeed.
func (q *quarantined) requireWritesRefused(s *store.Store) {
	t := q.t
	t.Helper()
	last := s.LastIndex()
	for _, n := range q.allocs {
		successor := placed(100)
		successor.PreviousAllocation = idOf(n)
		for _, write := range []func(*store.Batch){
			func(b *store.Batch) { b.Upsert(changedName(n)) },
			func(b *store.Batch) { b.UpdateFromClient(&schema.Allocation{ID: idOf(n), ClientStatus: "lost"}) },
			func(b *store.Batch) { b.AppendTaskEvent(idOf(n), "task", "running", schema.TaskEvent{Type: "Started"}) },
			func(b *store.Batch) { b.SetClientStatus(idOf(n), "lost", "") },
			func(b *store.Batch) { b.SetDesiredStatus(idOf(n), "stop", "") },
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
	require.Equal(t, last, s.LastIndex(), "a refused batch changes nothing")
	updateClient(t, s, &schema.Allocation{ID: idOf(0), ClientStatus: "failed"})
	q.was[0] = mustGet(t, s, 0).Clone()
}

// requireBackup restores a backup into another store, which must have the same damage.
func (q *quarantined) requireBackup(s *store.Store) {
	t := q.t
	t.Helper()
	var stream bytes.Buffer
	info, err := s.Backup(t.Context(), &stream)
	require.NoError(t, err)
	require.Equal(t, 1, info.Damaged)
	other := openToClose(t, tempPath(t, "restored.db"), &store.Options{FeedRetention: -1, Logger: silent})
	require.NoError(t, other.Restore(t.Context(), &stream))
	q.requireReads(other)
	q.repair(other)
	shut(t, other)
}

// repair deletes the quarantined allocations and places them again, or writes the damaged job
// again with another allocation. Nothing is quarantined afterwards.
func (q *quarantined) repair(s *store.Store) {
	t := q.t
	t.Helper()
	if q.place == "job " {
		a := placed(100)
		a.Job = &schema.Job{ID: "other"}
		upsert(t, s, a)
		for _, n := range q.allocs {
			require.Equal(t, q.was[n], mustGet(t, s, n))
		}
		require.Zero(t, s.Stats().Quarantined)
		require.Zero(t, s.Stats().Damaged)
		return
	}
	sn, err := s.Snapshot()
	require.NoError(t, err)
	for _, n := range q.allocs {
		remove(t, s, idOf(n))
		_, err = s.Get(idOf(n))
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	for _, n := range q.allocs {
		upsert(t, s, placed(n))
	}
	if len(q.allocs) > 0 {
		q.requireList(sn.All(), func(int) bool { return true }, false)
		q.requireList(sn.ByNode("nowhere"), func(int) bool { return false }, q.unknownPlacement)
	}
	require.NoError(t, sn.Close())
	for _, all := range []store.Allocations{s.All(), s.ByNode("nowhere"), s.ByNode("node1"), s.ByEval("eval")} {
		for _, err := range all {
			require.NoError(t, err)
		}
	}
	require.Zero(t, s.Stats().Quarantined)
	require.NoError(t, s.Compact(t.Context()))
	require.Zero(t, s.Stats().Damaged, "compaction removes the damage")
}

// TestReplaceQuarantinedInOneBatch deletes a quarantined allocation, and writes to the ID again in
// the same batch.
func TestReplaceQuarantinedInOneBatch(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(*store.Batch){
		"an update":   func(b *store.Batch) { b.UpdateFromClient(&schema.Allocation{ID: idOf(1), ClientStatus: "running"}) },
		"an event":    func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "t", "running", schema.TaskEvent{Type: "Started"}) },
		"statuses":    func(b *store.Batch) { b.SetClientStatus(idOf(1), "lost", ""); b.SetDesiredStatus(idOf(1), "stop", "") },
		"a successor": func(b *store.Batch) { a := placed(50); a.PreviousAllocation = idOf(1); b.Upsert(a) },
		"a placement": func(b *store.Batch) { b.Upsert(placed(1)) },
		"nothing":     func(*store.Batch) {},
	} {
		path, _ := damagedStore(t, "the scheduler's part")
		s := open(t, path, &store.Options{Logger: silent, FeedRetention: -1})
		before, err := s.Snapshot()
		require.NoError(t, err)
		a := placed(1)
		a.NodeID = "" // has a list like any other node
		b := new(store.Batch)
		b.Delete(idOf(1))
		b.Upsert(a)
		more(b)
		_, err = s.Apply(t.Context(), b)
		require.NoError(t, err, name)

		node := map[bool]string{true: "node1"}[name == "a placement"]
		for range 2 {
			q := quarantined{damage: damages["the scheduler's part"], t: t, was: make([]*schema.Allocation, damagedOf)}
			q.requireList(before.ByNode(node), func(int) bool { return false }, true)
			n := 0
			for a, err := range s.ByNode(node) {
				require.NoError(t, err)
				require.Equal(t, idOf(1), a.ID)
				n++
			}
			require.Equal(t, 1, n)
		}
		require.NoError(t, before.Close())
		require.NoError(t, s.Compact(t.Context()))
	}
}

// TestFeedEndsAtDamage requires all changes before the damaged one.
func TestFeedEndsAtDamage(t *testing.T) {
	t.Parallel()
	path, _ := damagedStore(t, "the client's part")
	s := openToClose(t, path, &store.Options{Logger: silent})
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

// TestJobRepairedDuringCompact writes a damaged job again after Compact has copied the damaged
// one. The exchange of the files must not bring the damage back.
func TestJobRepairedDuringCompact(t *testing.T) {
	t.Parallel()
	path, was := damagedStore(t, "a job")
	s := open(t, path, &store.Options{Logger: silent, FeedRetention: -1})
	require.Equal(t, 2, s.Stats().Quarantined)
	require.NoError(t, s.CompactAround(t.Context(), func() {
		a := placed(100)
		a.Job = &schema.Job{ID: "other"}
		upsert(t, s, a)
	}))
	for range 2 {
		for n, want := range was {
			require.Equal(t, want, mustGet(t, s, n))
		}
		require.Zero(t, s.Stats().Damaged)
		shut(t, s)
		s = open(t, path, nil)
	}
}
