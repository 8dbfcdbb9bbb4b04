package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/report"
)

// A meter records the latencies of one writer.
type meter struct {
	mu    sync.Mutex
	since report.Histogram // since the last sample
	all   report.Histogram
}

func (m *meter) record(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since.Record(d)
	m.all.Record(d)
}

// drain moves the latencies recorded since the last drain to h.
func (m *meter) drain(h *report.Histogram) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h.Merge(&m.since)
	m.since = report.Histogram{}
}

// write reports events of the writer's own allocations in random order until the time is up.
func (s *soaker) write(ctx context.Context, g int) error {
	r := rand.New(rand.NewPCG(s.Seed, uint64(g)))
	own := (s.Len() - g + s.writers - 1) / s.writers
	for {
		select {
		case <-s.over:
			return nil
		default:
		}
		i := g + r.IntN(own)*s.writers
		if err := s.writeOne(ctx, i, &s.meters[g]); err != nil {
			return err
		}
	}
}

// writeOne reports the next event of allocation i.
func (s *soaker) writeOne(ctx context.Context, i int, m *meter) error {
	ts := &s.states[i]
	n := fleet.Reported(ts)
	fleet.Record(ts, i, n)
	upd := s.Update(i, ts)
	began := time.Now()
	applied, err := s.s.UpdateFromClient(ctx, upd)
	if err != nil {
		return err
	}
	m.record(time.Since(began))
	if applied.Unchanged != 0 || len(applied.Unknown) != 0 {
		return fmt.Errorf("event %d of %s: applied as %+v", n+1, upd.ID, applied)
	}
	s.acks.record(i, n+1, applied.Index)
	return nil
}
