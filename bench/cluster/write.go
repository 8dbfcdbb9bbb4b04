package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Suffixes of a system's name say where its writers and readers are, if not at the place that its users have by default:
// for our nodes and go-memdb the leader, for etcd all nodes.
const (
	followers = ", followers"
	onLeader  = ", leader"
)

func writeName(writers int) string { return fmt.Sprintf("%s/%d", writeWork, writers) }

// writePieces are durable client updates by each number of writers, with one allocation an update.
func writePieces(cfg *config) (all []piece) {
	for _, writers := range cfg.writers {
		p := piece{work: writeName(writers), rounds: cfg.rounds, warm: true}
		for _, name := range systems {
			for _, place := range placesOf(name) {
				p.turns = append(p.turns, turn{name + place, request{Kind: writeWork, Place: place, Workers: writers, Length: cfg.each}})
			}
		}
		all = append(all, p)
	}
	return all
}

// placesOf returns where a system's writers are, by default first.
func placesOf(name string) []string {
	switch name {
	case ours:
		return []string{"", followers}
	case etcd:
		return []string{"", onLeader}
	}
	return []string{""}
}

// write lets the writers write to random allocations, each among its own.
func (b *bench) write(place string, writers int, d time.Duration) (sample, error) {
	s := b.subject
	nodes, rngs := s.at(place), rngs(writers)
	return closedLoop(writers, d, func(w int) error {
		node := nodes[w%len(nodes)]
		return insist(b.ctx, func() error {
			err := s.update(b.ctx, rngs[w], w, writers, node)
			if err != nil {
				now := s.at(place)
				node = now[w%len(now)]
			}
			return err
		})
	})
}

// insist repeats an operation that fails because the leader has changed, as on a machine that stood still for a
// moment. The time counts.
func insist(ctx context.Context, op func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(attemptPause) {
		err := op()
		if err == nil || errors.Is(err, errStale) || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// at returns the nodes of a place.
func (s *subject) at(place string) []int {
	leader := max(s.leader(), 0) // of a moment without one: the caller tries again
	switch {
	case place == followers:
		return others(s.nodes, leader)
	case s.name == etcd && place == "":
		return append(others(s.nodes, leader), leader)
	}
	return []int{leader}
}

// acknowledged returns the allocations with an acknowledged update.
func (s *subject) acknowledged() (all []int) {
	for i, stamp := range s.acked {
		if stamp != 0 {
			all = append(all, i)
		}
	}
	return slices.Clip(all)
}
