package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// hop keeps up with a list by WaitList on one replica after the other, at random.
func (m *mirror) hop(ctx context.Context, all []*store.Store, sel store.Selector, rng *rand.Rand) error {
	for {
		s := all[rng.IntN(len(all))]
		r, err := s.WaitList(ctx, sel, store.QueryOptions{MinQueryIndex: m.min, MaxQueryTime: time.Duration(1 + rng.IntN(20_000_000))})
		if err != nil {
			return err
		}
		m.mu.Lock()
		if r.Full {
			clear(m.known)
			if m.lost++; r.Outcome == store.Restored {
				err = errors.New("told Restored")
			}
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

// hopFeed keeps up by Changes, from one replica to the other.
func (m *mirror) hopFeed(ctx context.Context, all []*store.Store, rng *rand.Rand) error {
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, time.Duration(1+rng.IntN(30_000_000)))
		s := all[rng.IntN(len(all))]
		var pending []store.Change
		for ch, err := range s.Changes(short, m.min) {
			if errors.Is(err, store.ErrCompacted) && !errors.Is(err, store.ErrRestored) {
				sn, err := s.Snapshot()
				if err != nil {
					cancel()
					return err
				}
				if sn.Index() >= m.min {
					m.mu.Lock()
					clear(m.known)
					for a, err := range sn.All() {
						if err != nil {
							break
						}
						m.set(a)
					}
					m.lost++
					m.min = sn.Index()
					m.mu.Unlock()
				}
				_ = sn.Close()
				break
			}
			if err != nil {
				if short.Err() == nil {
					cancel()
					return err
				}
				break
			}
			if ch.Index <= m.min {
				cancel()
				return fmt.Errorf("change at %d after %d", ch.Index, m.min)
			}
			if pending = append(pending, ch); ch.Last {
				m.mu.Lock()
				for _, ch := range pending {
					if ch.Alloc == nil {
						delete(m.known, ch.ID)
					} else {
						m.set(ch.Alloc)
					}
				}
				m.min, pending = ch.Index, nil
				m.mu.Unlock()
			}
		}
		cancel()
	}
	return ctx.Err()
}

// TestReadersHop: readers go from one replica to another with their index, while the replicas apply entries, catch up and
// compact. They miss nothing, and their indexes never go back.
func TestReadersHop(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var all []*store.Store
	for i := range 3 {
		s, err := store.Open(filepath.Join(t.TempDir(), fmt.Sprint(i)), &store.Options{Replicated: true, FeedRetention: 1 + rng.IntN(200)})
		require.NoError(t, err)
		defer s.Close()
		all = append(all, s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	sels := []store.Selector{store.Node("n0"), store.Node("n1").NonTerminal(), store.Everything(), store.Node("n0").NonTerminal().Placements(), store.Prefix("0000000")}
	mirrors := make([]*mirror, 2*len(sels)+2)
	for i := range mirrors {
		m := &mirror{known: make(map[string]string)}
		mirrors[i] = m
		own := rand.New(rand.NewPCG(seed, uint64(i)+2))
		readers.Go(func() {
			var err error
			if i < 2*len(sels) {
				err = m.hop(ctx, all, sels[i/2], own)
			} else {
				err = m.hopFeed(ctx, all, own)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	// One goroutine for each replica.
	var log []store.Entry
	index := uint64(1)
	for range 400 {
		index += 1 + rng.Uint64N(2)
		b := new(store.Batch)
		for range 1 + rng.IntN(3) {
			id := storetest.ID(rng.Uint32N(40))
			switch rng.IntN(6) {
			case 0:
				b.Delete(id)
			case 1:
				b.SetClientStatus(id, []string{"running", "complete", "failed"}[rng.IntN(3)], "")
			default:
				b.Upsert(storetest.Mock(storetest.WithID(id), storetest.OnNode(fmt.Sprintf("n%d", rng.IntN(2)))))
			}
		}
		e := store.Entry{Index: index, Batch: b}
		if index > 100 && rng.IntN(20) == 0 {
			e.Limits.Floor = index - 100
		}
		log = append(log, e)
	}
	data := make([][]byte, len(log))
	for i := range log {
		var err error
		data[i], err = log[i].Batch.MarshalBinary()
		require.NoError(t, err)
	}
	entries := func(from, to int) []store.Entry {
		out := make([]store.Entry, to-from)
		for i := range out {
			out[i] = log[from+i]
			out[i].Batch = new(store.Batch)
			require.NoError(t, out[i].Batch.UnmarshalBinary(data[from+i]))
		}
		return out
	}
	var writers sync.WaitGroup
	for r, s := range all {
		own := rand.New(rand.NewPCG(seed, uint64(r)+100))
		writers.Go(func() {
			for at := 0; at < len(log); {
				switch k := own.IntN(20); {
				case k == 0:
					if err := s.Compact(ctx); err != nil {
						t.Errorf("compact: %v", err)
					}
				case k == 1 && r > 0:
					from := all[own.IntN(len(all))]
					var b bytes.Buffer
					if _, err := from.Backup(ctx, &b); err != nil {
						if !errors.Is(err, store.ErrCompacted) {
							t.Errorf("backup: %v", err)
						}
						continue
					}
					info, err := store.ReadBackupInfo(bytes.NewReader(b.Bytes()))
					if err != nil || info.Applied <= s.AppliedIndex() {
						continue
					}
					if err := s.CatchUp(ctx, &b); err != nil {
						t.Errorf("catch up: %v", err)
					}
					for at < len(log) && log[at].Index <= s.AppliedIndex() {
						at++
					}
				default:
					to := min(len(log), at+1+own.IntN(8))
					if _, err := s.ApplyEntries(ctx, entries(at, to)); err != nil {
						t.Errorf("apply: %v", err)
					}
					at = to
				}
				time.Sleep(time.Duration(own.IntN(1_000_000)))
			}
		})
	}
	writers.Wait()
	for _, s := range all[1:] {
		i0, d0 := all[0].Digest()
		i, d := s.Digest()
		require.Equal(t, i0, i)
		require.Equal(t, d0, d)
	}
	for i, m := range mirrors {
		sel := store.Everything()
		if i < 2*len(sels) {
			sel = sels[i/2]
		}
		want := ""
		for a, err := range all[0].List(sel) {
			require.NoError(t, err)
			want += brief(a)
		}
		if i < 2*len(sels) && sels[i/2] == sels[3] {
			continue // clients' reports are not shown
		}
		require.Eventually(t, func() bool { return m.text() == want }, 10*time.Second, 10*time.Millisecond, "reader %d of %v\n%s", i, sel, want)
	}
	cancel()
	readers.Wait()
	for _, s := range all {
		for err := range s.Check(t.Context()) {
			t.Error(err)
		}
	}
}
