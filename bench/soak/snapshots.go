package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/store"
)

// between is the pause between two snapshots of a goroutine. Reading one takes a third
// of it, mostly for the checks.
const between = 250 * time.Millisecond

// A claim is the state of one allocation in a snapshot: n events, the last one at
// index. The acknowledgement of event n+1, which may come later, must be above the
// snapshot's index.
type claim struct {
	i, n            int
	index, snapshot uint64
}

// snapshots opens, reads and closes snapshots until the time is up. If hold is not 0,
// it keeps each snapshot open for that time and then reads it again.
func (s *soaker) snapshots(ctx context.Context, hold time.Duration) error {
	r := rand.New(rand.NewPCG(s.Seed, uint64(hold)))
	var open []claim
	for over := false; !over && ctx.Err() == nil; {
		claims, err := s.snapshot(ctx, r.IntN(s.Jobs()), hold)
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		open = append(open, claims...)
		over = s.sleep(ctx, between)
		if open, err = s.checkClaims(open, false); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	<-s.answered
	_, err := s.checkClaims(open, true)
	return err
}

// sleep sleeps for d, or until the time is up, which it reports.
func (s *soaker) sleep(ctx context.Context, d time.Duration) (over bool) {
	select {
	case <-time.After(d):
		return false
	case <-s.over:
	case <-ctx.Done():
	}
	return true
}

// snapshot takes a snapshot and reads the list of a job in it, twice if hold is not 0.
func (s *soaker) snapshot(ctx context.Context, job int, hold time.Duration) (claims []claim, err error) {
	sn, err := s.s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sn.Close()) }()
	if claims, err = s.readJob(sn, job); err != nil {
		return nil, err
	}
	s.read.snapshots.Add(1)
	if hold == 0 {
		return claims, nil
	}
	s.sleep(ctx, hold)
	again, err := s.readJob(sn, job)
	if err != nil {
		return nil, err
	}
	for k := range again {
		if again[k] != claims[k] {
			return nil, fmt.Errorf("at %d, %s changed at %d with %d events; read again at %d with %d",
				sn.Index(), s.ID(claims[k].i), claims[k].index, claims[k].n, again[k].index, again[k].n)
		}
	}
	return claims, nil
}

// readJob reads the list of a job and checks all that needs no acknowledgement.
func (s *soaker) readJob(sn *store.Snapshot, job int) ([]claim, error) {
	var claims []claim
	for a, err := range sn.ByJob(s.JobID(job)) {
		if err != nil {
			return nil, err
		}
		i, ok := s.number[a.ID]
		if !ok || i/fleet.PerJob != job || a.ModifyIndex > sn.Index() {
			return nil, fmt.Errorf("%s at %d has %s of %s, changed at %d", s.JobID(job), sn.Index(), a.ID, a.JobID, a.ModifyIndex)
		}
		n, err := s.Last(i, a)
		if err != nil {
			return nil, err
		}
		if err := s.Check(i, a, fleet.Truth{Created: s.acks.created[i], Modified: a.ModifyIndex, Events: n}); err != nil {
			return nil, err
		}
		claims = append(claims, claim{i, n, a.ModifyIndex, sn.Index()})
	}
	if from, to := s.JobRange(job); len(claims) != to-from {
		return nil, fmt.Errorf("%s at %d has %d allocations, want %d", s.JobID(job), sn.Index(), len(claims), to-from)
	}
	return claims, nil
}

// checkClaims compares the claims with the acknowledgements. It returns the claims
// whose next event is not acknowledged yet, or none of them if the run is over.
func (s *soaker) checkClaims(claims []claim, over bool) (open []claim, err error) {
	for _, c := range claims {
		next, nextState := s.acks.at(c.i, c.n+1)
		if nextState == pending && !over {
			open = append(open, c)
			continue
		}
		index, state := s.acks.at(c.i, c.n)
		if state == forgotten || nextState == forgotten {
			s.read.unchecked.Add(1)
			continue
		}
		if state == pending || index != c.index || nextState == acked && next <= c.snapshot {
			return nil, fmt.Errorf("at %d, %s has %d events and changed at %d; they were acknowledged at %d, and the next at %d",
				c.snapshot, s.ID(c.i), c.n, c.index, index, next)
		}
		s.read.rows.Add(1)
	}
	return open, nil
}
