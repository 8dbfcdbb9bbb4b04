package compaction

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/record"
)

// find returns the removals of one search at the last index.
func find(t *testing.T, l *logtest.Log) *Removals {
	t.Helper()
	floor := l.State.Index.Last()
	l.State.Floor.Store(floor)
	f, err := newWindow(l.State, floor).find(record.Key{})
	require.NoError(t, err)
	return &Removals{Dead: f.dead, floor: floor}
}

// TestRemovalsFollowTheWrites commits removals with different numbers of writes.
func TestRemovalsFollowTheWrites(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 0)
	const ids = 200
	for i := range 6 { // placed and updated
		var writes []logtest.Write
		for n := range ids {
			writes = append(writes, logtest.Write{ID: schema.ID{1, byte(n)}, Flags: logtest.Placed, Job: string(rune('a' + i))})
		}
		l.Apply(writes...)
	}
	r := find(t, l)
	left := 5 * ids
	require.Len(t, r.Dead, left)
	for written, removed := range map[int]int{1: minRemoved, 16: minRemoved, 17: 4 * 17, 100: 400} {
		var writes []logtest.Write
		for i := range written {
			writes = append(writes, logtest.Write{ID: schema.ID{2, byte(written), byte(i)}, Flags: logtest.Placed, Job: "job"})
		}
		l.Commit(r, writes...)
		left -= removed
		require.Len(t, r.Dead, left, "%d records were written", written)
		done, err := r.Done()
		require.False(t, done)
		require.NoError(t, err)
	}
	require.True(t, r.paced)
	l.Commit(r)
	done, err := r.Done()
	require.True(t, done, "without writes all go at once")
	require.NoError(t, err)
	require.Len(t, l.Entries(), ids+1+16+17+100)
	require.Equal(t, r.floor, l.State.Manifest.Floor)
}

// TestPlacedAgain places a deleted ID again after the search found its tombstone: before the
// transaction that removes it, in it, and not at all. The tombstone stays if the new record refers
// to it.
func TestPlacedAgain(t *testing.T) {
	t.Parallel()
	id := schema.ID{1}
	place := logtest.Write{ID: id, Flags: logtest.Placed, Job: "job"}
	for name, c := range map[string]struct {
		before, within []logtest.Write
		stay           []record.Key
	}{
		"before": {before: []logtest.Write{place}, stay: []record.Key{{Index: 3}, {Index: 4}}},
		"within": {within: []logtest.Write{place}, stay: []record.Key{{Index: 3}, {Index: 4}}},
		"never":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := logtest.New(t, 0)
			l.Apply(place)
			l.Apply(logtest.Write{ID: id, Flags: record.FlagTombstone})
			r := find(t, l)
			require.Len(t, r.Dead, 2)
			if c.before != nil {
				l.Apply(c.before...)
			}
			l.Commit(r, c.within...)
			var stay []record.Key
			for _, e := range l.Entries() {
				stay = append(stay, e.Key)
			}
			require.Equal(t, c.stay, stay)
			require.Equal(t, len(c.stay) == 0, l.State.Table.Get(&id) == nil, "an ID is forgotten with its tombstone")
		})
	}
}
