package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// brief returns the ID, the index and a hash of the text of an allocation.
func brief(a *schema.Allocation) string {
	return fmt.Sprintf("%s at %d: %x\n", a.ID, a.ModifyIndex, sha256.Sum256([]byte(text(a))))
}

// A mirror is the knowledge of one reader of a store, by ID. It never looks at the store but by its
// own calls.
type mirror struct {
	mu    sync.Mutex
	known map[string]string // ID to text
	min   uint64            // the index that it has read up to
	lost  int               // how often it was told Compacted
}

func (m *mirror) set(a *schema.Allocation) { m.known[a.ID] = brief(a) }

// to notes an index, which must not go back.
func (m *mirror) to(index uint64) error {
	if index < m.min {
		return fmt.Errorf("index %d after %d", index, m.min)
	}
	m.min = index
	return nil
}

// text returns the known allocations, in the order of the IDs.
func (m *mirror) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m.known)) {
		b.WriteString(m.known[id])
	}
	return b.String()
}

// waitList keeps up with a list by WaitList.
func (m *mirror) waitList(ctx context.Context, s *store.Store, sel store.Selector) error {
	for {
		r, err := s.WaitList(ctx, sel, store.QueryOptions{MinQueryIndex: m.min})
		if err != nil {
			return err
		}
		m.mu.Lock()
		switch {
		case r.Full:
			clear(m.known)
			if m.lost++; r.Outcome == store.Restored {
				err = errors.New("told Restored")
			}
		case len(r.Changed)+len(r.Gone) == 0 || r.Outcome != store.Changed || r.Index <= m.min:
			err = fmt.Errorf("%v at %d, after %d, without a change", r.Outcome, r.Index, m.min)
		}
		for _, a := range r.Changed {
			m.set(a)
		}
		for _, d := range r.Gone {
			delete(m.known, d.ID)
		}
		err = errors.Join(err, m.to(r.Index))
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// follow keeps up with a list by Follow, which it starts over when it has lost changes.
func (m *mirror) follow(ctx context.Context, s *store.Store, sel store.Selector) error {
	for {
		m.mu.Lock()
		clear(m.known)
		m.mu.Unlock()
		begun := false // the state as of the beginning has been given
		for ch, err := range s.Follow(ctx, sel, 0) {
			if errors.Is(err, store.ErrCompacted) && !errors.Is(err, store.ErrRestored) {
				m.lost++
				break
			}
			if err != nil {
				return err
			}
			m.mu.Lock()
			switch {
			case ch.Alloc != nil:
				m.set(ch.Alloc)
			case ch.Gone != nil:
				delete(m.known, ch.Gone.ID)
			}
			if begun = begun || ch.Complete; begun {
				err = m.to(ch.Index)
			}
			m.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// changes keeps up with all allocations by Changes, beginning with a snapshot.
func (m *mirror) changes(ctx context.Context, s *store.Store) error {
	for {
		sn, err := s.Snapshot()
		if err != nil {
			return err
		}
		known := map[string]string{}
		for a, e := range sn.All() {
			if err = e; err != nil {
				break
			}
			known[a.ID] = brief(a)
		}
		_ = sn.Close()
		if errors.Is(err, store.ErrCompacted) {
			continue // the store has caught up meanwhile
		}
		m.mu.Lock()
		m.known, err = known, errors.Join(err, m.to(sn.Index()))
		m.mu.Unlock()
		if err != nil {
			return err
		}
		for ch, err := range s.Changes(ctx, sn.Index()) {
			if errors.Is(err, store.ErrCompacted) && !errors.Is(err, store.ErrRestored) {
				m.lost++
				break
			}
			if err != nil {
				return err
			}
			m.mu.Lock()
			if ch.Alloc != nil {
				m.set(ch.Alloc)
			} else {
				delete(m.known, ch.ID)
			}
			err = m.to(ch.Index)
			m.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// wait keeps up with one allocation by Wait.
func (m *mirror) wait(ctx context.Context, s *store.Store, id string) error {
	for {
		r, err := s.Wait(ctx, id, store.QueryOptions{MinQueryIndex: m.min})
		if err != nil {
			return err
		}
		m.mu.Lock()
		switch r.Outcome {
		case store.Changed, store.Deleted, store.NotFound:
			if r.Index <= m.min {
				err = fmt.Errorf("%v at %d, after %d", r.Outcome, r.Index, m.min)
			}
		case store.Compacted:
			m.lost++
		default:
			err = fmt.Errorf("told %v", r.Outcome)
		}
		clear(m.known)
		if r.Alloc != nil {
			m.set(r.Alloc)
		}
		err = errors.Join(err, m.to(r.Index))
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// A mirrored is a replica with mirrors of it, each with the list that it must show.
type mirrored struct {
	t    *testing.T
	s    *store.Store
	all  map[string]*mirror
	want map[string]func() store.Allocations
}

// mirrorAll starts mirrors of a store, which end with the test.
func mirrorAll(t *testing.T, s *store.Store) *mirrored {
	f := &mirrored{t, s, map[string]*mirror{}, map[string]func() store.Allocations{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	start := func(name string, want func() store.Allocations, run func(m *mirror) error) {
		m := &mirror{known: map[string]string{}}
		f.all[name], f.want[name] = m, want
		wg.Go(func() {
			if err := run(m); ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	start("changes", s.All, func(m *mirror) error { return m.changes(ctx, s) })
	for _, sel := range []store.Selector{store.Node("node1"), store.Job("a").NonTerminal(), store.Prefix("8"), store.Everything()} {
		list := func() store.Allocations { return s.List(sel) }
		start(fmt.Sprint("WaitList of ", sel), list, func(m *mirror) error { return m.waitList(ctx, s, sel) })
		start(fmt.Sprint("Follow of ", sel), list, func(m *mirror) error { return m.follow(ctx, s, sel) })
	}
	for i := range 8 {
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(8+i)<<28, 10)
		start("Wait for "+id, func() store.Allocations { return s.ByPrefix(id) }, func(m *mirror) error { return m.wait(ctx, s, id) })
	}
	return f
}

// compare waits until every mirror shows the content of the store.
func (f *mirrored) compare() {
	for name, m := range f.all {
		want, err := textsOf(f.want[name]())
		require.NoError(f.t, err)
		require.Eventually(f.t, func() bool { return m.text() == want || f.t.Failed() }, time.Minute, time.Millisecond/4, name)
		require.Equal(f.t, want, m.text(), name)
	}
}

// textsOf returns the texts of allocations.
func textsOf(all store.Allocations) (string, error) {
	var b strings.Builder
	for a, err := range all {
		if err != nil {
			return "", err
		}
		b.WriteString(brief(a))
	}
	return b.String(), nil
}

// A keptSnapshot is a snapshot and the content that it has shown.
type keptSnapshot struct {
	*store.Snapshot
	content string
}

// compare reads the snapshot again.
func (sn *keptSnapshot) compare(t *testing.T, floor uint64) {
	got, err := textsOf(sn.All())
	if errors.Is(err, store.ErrCompacted) {
		require.NotErrorIs(t, err, store.ErrRestored)
		require.Greater(t, floor, sn.Index())
		return
	}
	require.NoError(t, err)
	require.Equal(t, sn.content, got, "the snapshot at %d", sn.Index())
}

// TestCatchUpInTurns has a replica catch up from the backups of another one in between entries of
// its own. After each step it must be the same store, and all its readers must know its content;
// snapshots must not change.
func TestCatchUpInTurns(t *testing.T) {
	t.Parallel()
	forSeeds(t, 3, func(t *testing.T, seed uint64) {
		d, m := dice{rand.New(rand.NewPCG(seed, 0))}, newModel()
		ahead := replicaOf(t, store.Options{FeedRetention: -1})
		s := replicaOf(t, store.Options{FeedRetention: -1, ResidentBytes: int64(seed % 2)})
		f := mirrorAll(t, s)
		var entries []store.Entry
		var kept []keptSnapshot
		catchUps, lost := 0, 0
		for at := uint64(2); at < 600; {
			var group []store.Entry
			for range 1 + d.IntN(8) {
				steps, limits := d.steps(m), store.Limits{Floor: d.Uint64N(2) * (at - at/8*d.Uint64N(8))}
				group = append(group, store.Entry{Index: at, Batch: batchOf(steps), Limits: limits})
				m.applyEntry(at, steps)
				at += 1 + d.Uint64N(3)
			}
			entries = append(entries, group...)
			want, err := ahead.ApplyEntries(t.Context(), group)
			require.NoError(t, err)
			switch d.IntN(5) {
			case 0:
				require.NoError(t, ahead.Compact(t.Context()))
			case 1:
				require.NoError(t, s.Compact(t.Context()))
			case 2:
				sn, err := s.Snapshot()
				require.NoError(t, err)
				content, err := textsOf(sn.All())
				require.NoError(t, err)
				kept = append(kept, keptSnapshot{sn, content})
			}
			if d.IntN(3) > 0 { // fall behind, or catch up
				if d.IntN(2) == 0 {
					stream, info := backupOf(t, ahead)
					require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream)))
					require.Equal(t, info.Applied, s.AppliedIndex())
					entries, catchUps = nil, catchUps+1
				}
			} else {
				got, err := s.ApplyEntries(t.Context(), entries)
				require.NoError(t, err)
				for i, w := range want {
					require.Equal(t, fmt.Sprintf("%+v", w), fmt.Sprintf("%+v", got[len(got)-len(want)+i]), "entry %d", group[i].Index)
				}
				entries = nil
			}
			for i := range kept {
				kept[i].compare(t, s.Stats().Floor)
			}
			if len(entries) == 0 {
				require.Equal(t, []uint64{ahead.LastIndex(), ahead.AppliedIndex()}, []uint64{s.LastIndex(), s.AppliedIndex()})
				_, want := ahead.Digest()
				requireDigest(t, ahead.LastIndex(), want, s)
				require.Equal(t, contentOf(t, ahead), contentOf(t, s))
			}
			f.compare()
			if len(kept) > 4 {
				require.NoError(t, kept[0].Close())
				kept = kept[1:]
			}
		}
		for _, m := range f.all {
			lost += m.lost
		}
		t.Logf("seed %d: caught up %d times, readers started over %d times", seed, catchUps, lost)
		require.Greater(t, catchUps, 5)
		for _, sn := range kept {
			require.NoError(t, sn.Close())
		}
	})
}
