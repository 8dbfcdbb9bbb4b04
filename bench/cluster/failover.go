package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"allocstore/bench/internal/program"
)

// failoverWriters write while the leader is stopped. An attempt that is not answered in attemptTime is given up, and
// another one follows after a pause.
const (
	failoverWriters = 16
	attemptTime     = 250 * time.Millisecond
	attemptPause    = 5 * time.Millisecond
	steady          = 300 * time.Millisecond // of writes before the stop, and after the gap
)

// failoverPiece is the time without an acknowledged write after the leader has stopped.
func failoverPiece(cfg *config) piece {
	p := piece{work: failoverWork, rounds: cfg.failovers}
	for _, name := range systems {
		p.turns = append(p.turns, turn{name, request{Kind: failoverWork}})
	}
	return p
}

// failover stops the leader under load, and starts it again.
func (b *bench) failover() (sample, error) {
	s := b.subject
	if err := caughtUp(s.system, s.nodes); err != nil {
		return sample{}, err
	}
	leader := s.leader()
	nodes := others(s.nodes, leader)
	if s.name == memDB {
		nodes = append(nodes, leader) // no other node takes writes before the stop
	}
	load := b.startLoad(s, nodes)
	if err := await("writes", func() bool { return !load.newest().IsZero() }); err != nil {
		return sample{}, errors.Join(err, load.end())
	}
	time.Sleep(steady)
	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- s.stop(leader) }()
	err := await("a new leader", func() bool { at := s.leader(); return at >= 0 && at != leader })
	if err == nil {
		err = await("a write", func() bool { return load.since(began) > 0 && time.Since(load.newest()) < steady })
	}
	time.Sleep(steady)
	err = errors.Join(err, load.end(), <-stopped)
	if err == nil {
		err = s.start(leader)
	}
	return sample{Took: load.gap(began)}, errors.Join(err, caughtUp(s.system, s.nodes))
}

// A load is a number of writers through some nodes. They go on after errors.
type load struct {
	stop context.CancelFunc
	done chan error

	mu    sync.Mutex
	acked []time.Time // of acknowledgements, in order
}

// startLoad starts writers. A write that its node does not serve goes to the next one, as that of a client that looks for
// the leader.
func (b *bench) startLoad(s *subject, nodes []int) *load {
	ctx, stop := context.WithCancel(b.ctx)
	l := &load{stop: stop, done: make(chan error, 1)}
	rngs := rngs(failoverWriters)
	go func() {
		l.done <- program.Parallel(failoverWriters, func(w int) error {
			for at := w; ctx.Err() == nil; {
				attempt, cancel := context.WithTimeout(ctx, attemptTime)
				err := s.update(attempt, rngs[w], w, failoverWriters, nodes[at%len(nodes)])
				cancel()
				if err == nil {
					l.note()
					continue
				}
				if at++; !errors.Is(err, errElsewhere) || at%len(nodes) == 0 {
					time.Sleep(attemptPause)
				}
			}
			return nil
		})
	}()
	return l
}

func (l *load) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = append(l.acked, time.Now())
}

// end stops the writers.
func (l *load) end() error {
	l.stop()
	return <-l.done
}

// newest returns the time of the last acknowledgement.
func (l *load) newest() (last time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.acked); n > 0 {
		last = l.acked[n-1]
	}
	return last
}

// since returns how many acknowledgements came after a time.
func (l *load) since(t time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.acked) - 1; i >= 0 && l.acked[i].After(t); i-- {
		n++
	}
	return n
}

// gap returns the longest time without an acknowledgement that ended after t.
func (l *load) gap(t time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 1; i < len(l.acked); i++ {
		if l.acked[i].After(t) {
			longest = max(longest, l.acked[i].Sub(l.acked[i-1]))
		}
	}
	return longest
}
