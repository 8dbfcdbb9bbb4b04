package compaction

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/readers"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// removeAt returns an Env.Remove that commits the removals in as many transactions as they take.
func removeAt(l *logtest.Log, batch func() []logtest.Write) func(*Removals) error {
	return func(r *Removals) error {
		for {
			l.Commit(r, batch()...)
			if done, err := r.Done(); done {
				return err
			}
		}
	}
}

func noWrites() []logtest.Write { return nil }

// newSweeperOf returns a sweeper without a store, and its readers.
func newSweeperOf(l *logtest.Log, feedRetention int, remove func(*Removals) error) (*Sweeper, *readers.Set) {
	set := new(readers.Set)
	return NewSweeper(Env{
		State: func() *state.State { return l.State }, Readers: set, FeedRetention: feedRetention,
		Remove: remove, Look: func() {},
	}), set
}

// TestSweep makes passes under readers, some beside writes. After each pass every version at the
// floor, or a later index, can be read, and is that of the full log, which the test keeps. A pass
// without writes leaves exactly the records that the oracle does.
func TestSweep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		a := newAuthor(seed, logtest.New(t, 0), 20)
		busy, passes := false, 1
		sw, set := newSweeperOf(a.Log, 0, removeAt(a.Log, func() []logtest.Write {
			if !busy || a.IntN(3) > 0 {
				return nil
			}
			return a.batch(3)
		}))
		var full []logfile.Entry // all records ever written
		note := func() {
			from := record.Key{}
			if len(full) > 0 {
				from = full[len(full)-1].Key.Next()
			}
			for _, e := range a.Entries() {
				if !from.After(e.Key) {
					full = append(full, e)
				}
			}
		}
		for range 12 {
			for range 8 {
				a.Apply(a.batch(8)...)
			}
			note()
			last := a.State.Index.Last()
			reader := set.Enter(func() uint64 { return last - min(a.Uint64N(20), last-max(a.State.Floor.Load(), 2)) })
			before, floorBefore := a.Entries(), a.State.Floor.Load()
			busy = !busy
			require.NoError(t, sw.Sweep(t.Context()))
			note()
			floor := a.State.Floor.Load()
			require.Equal(t, reader, floor, "the floor rises to the oldest reader")
			if floor > floorBefore {
				passes++
			}
			requireHistory(t, a.Log, full, floor)
			if !busy {
				requireSwept(t, a.Log, before, floor)
			}
			a.Check()
			set.Leave(reader)
		}
		busy = false
		a.Apply(a.batch(8)...)
		before := a.Entries()
		require.NoError(t, sw.Sweep(t.Context()))
		require.Equal(t, a.State.Index.Last(), a.State.Floor.Load())
		requireSwept(t, a.Log, before, a.State.Index.Last())
		require.EqualValues(t, passes, sw.Passes())
	}
}

// requireSwept requires that the log has the records that it had before and are not dead.
func requireSwept(t *testing.T, l *logtest.Log, before []logfile.Entry, floor uint64) {
	t.Helper()
	dead := judge(before, floor)
	var want, got []record.Key
	for _, e := range before {
		if !dead[e.Key].dead {
			want = append(want, e.Key)
		}
	}
	for _, e := range l.Entries() {
		got = append(got, e.Key)
	}
	require.Equal(t, want, got)
}

// requireHistory requires that each allocation has at the floor, and at each later index, the
// version of the full log, and that the version's records are in the file.
func requireHistory(t *testing.T, l *logtest.Log, full []logfile.Entry, from uint64) {
	t.Helper()
	st := l.State
	at := make(map[schema.ID]logfile.Entry) // the newest records
	next := 0
	require.NoError(t, st.File.View(func(tx logfile.Tx) error {
		for index := from; index <= st.Index.Last(); index++ {
			for ; next < len(full) && full[next].Key.Index <= index; next++ {
				at[full[next].ID] = full[next]
			}
			for id, e := range at {
				var got record.Pair
				if v := st.Table.Get(&id); v != nil {
					var err error
					got, err = state.VersionAt(tx, id, v.Pair(), index)
					require.NoError(t, err)
				}
				if got == (record.Pair{}) && e.Tombstone() && e.Key.Index <= from {
					continue // it is forgotten that the allocation existed
				}
				require.Equal(t, e.PairAt(e.Key), got, "%v at %d", id, index)
				for _, k := range []record.Key{got.Sched, got.Client} {
					_, err := tx.Version(id, k)
					require.NoError(t, err, "%v at %d", id, index)
				}
			}
		}
		return nil
	}))
}

// TestSweepEnds makes passes that end early, or are not made at all.
func TestSweepEnds(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 0)
	cause, calls := errors.New("cause"), 0
	var failure error
	remove := removeAt(l, noWrites)
	sw, set := newSweeperOf(l, 0, func(r *Removals) error {
		if calls++; failure != nil {
			return failure
		}
		return remove(r)
	})
	write := func() uint64 {
		return l.Apply(logtest.Write{ID: schema.ID{1}, Flags: logtest.Placed, Job: "job"})
	}
	sweep := func(wantCalls int, wantPasses uint64) {
		t.Helper()
		require.NoError(t, sw.Sweep(t.Context()))
		require.Equal(t, wantCalls, calls)
		require.Equal(t, wantPasses, sw.Passes())
	}
	write()
	write()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sw.Sweep(ctx), context.Canceled)
	resume, again := sw.Pause(), sw.Pause()
	sweep(0, 0)
	resume()
	sweep(0, 0)
	again()
	failure = cause
	require.ErrorIs(t, sw.Sweep(t.Context()), cause)
	require.Zero(t, sw.Passes(), "the pass did not end")
	failure = nil
	sweep(2, 1)
	sweep(2, 1) // nothing new
	sw.Reset()
	sweep(2, 2) // nothing dead
	reader := set.Enter(l.State.Index.Last)
	write()
	sweep(2, 2) // the reader needs all
	set.Leave(reader)
	sweep(3, 3)
	require.Len(t, l.Entries(), 1)
}

// TestDue makes an allocation's superseded records outweigh the rest. A pass is not due while a
// reader or the retention of the feed keeps them, and Wake does not block.
func TestDue(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 30)
	sw, set := newSweeperOf(l, 0, removeAt(l, noWrites))
	retaining, _ := newSweeperOf(l, 30, removeAt(l, noWrites))
	due := make(chan struct{}, 1)
	woken := func() bool {
		Wake(l.State, due)
		Wake(l.State, due)
		defer func() { due = make(chan struct{}, 1) }()
		return len(due) == 1
	}
	text := string(make([]byte, minDead/16))
	report := func(n int) {
		for range n {
			l.Apply(logtest.Write{ID: schema.ID{1}, Flags: record.FlagClient, Text: text})
		}
	}
	l.Apply(logtest.Write{ID: schema.ID{1}, Flags: logtest.Placed, Job: "job"})
	report(16) // the last one is live
	require.Equal(t, []bool{false, false}, []bool{woken(), sw.Due()})
	reader := set.Enter(l.State.Index.Last)
	report(2) // one may lie between two checkpoints of the log's size
	require.Equal(t, []bool{true, false}, []bool{woken(), sw.Due()}, "the reader keeps the records above its index")
	set.Leave(reader)
	require.True(t, sw.Due())
	require.False(t, retaining.Due())
	report(30)
	require.True(t, retaining.Due())
	require.NoError(t, retaining.Sweep(t.Context()))
	require.InDelta(t, l.State.Index.Last()-30, l.State.Floor.Load(), 1, "the feed's changes are kept")
	require.LessOrEqual(t, l.State.Floor.Load(), l.State.Index.Last()-30)
	require.False(t, retaining.Due())
	require.NoError(t, sw.Sweep(t.Context()))
	require.Equal(t, []bool{false, false}, []bool{woken(), sw.Due()})
}
