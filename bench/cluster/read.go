package main

import (
	"errors"
	"fmt"
	"time"
)

// readKind is a kind of reads.
type readKind struct {
	name         string
	linearizable bool
	place        string
}

var readKinds = []readKind{
	{"linearizable, leader", true, onLeader},
	{"linearizable, follower", true, followers},
	{"stale, leader", false, onLeader},
	{"stale, follower", false, followers},
}

func readName(k readKind, readers int) string {
	return fmt.Sprintf("%s/%s/%d", readWork, k.name, readers)
}

// errStale: a read of a node that has caught up did not show an acknowledged update.
var errStale = errors.New("a read does not show the acknowledged update")

// readPieces are reads of random allocations that have an update, through the leader and through one follower.
func readPieces(cfg *config) (all []piece) {
	for k := range readKinds {
		kind := &readKinds[k]
		for _, readers := range cfg.readers {
			p := piece{work: readName(*kind, readers), rounds: cfg.rounds, warm: true}
			for _, name := range systems {
				if name == memDB && kind.linearizable && kind.place == followers {
					continue // its users forward such a read to the leader
				}
				p.turns = append(p.turns, turn{name, request{Kind: readWork, Read: k, Workers: readers, Length: cfg.each}})
			}
			all = append(all, p)
		}
	}
	return all
}

// updated returns the allocations that have an update. It updates some first if necessary.
func (b *bench) updated() ([]int, error) {
	if known := b.subject.acknowledged(); len(known) > 0 {
		return known, nil
	}
	_, err := b.write("", min(256, b.cfg.n), b.cfg.each)
	return b.subject.acknowledged(), err
}

func (b *bench) read(k *readKind, readers int, d time.Duration) (sample, error) {
	s := b.subject
	known, err := b.updated()
	if err != nil {
		return sample{}, err
	}
	node, rngs := s.at(k.place)[0], rngs(readers)
	if err := caughtUp(s.system, s.nodes); err != nil {
		return sample{}, err
	}
	return closedLoop(readers, d, func(r int) error {
		i := known[rngs[r].IntN(len(known))]
		return insist(b.ctx, func() error {
			a, err := s.read(b.ctx, node, s.fleet.ID(i), k.linearizable)
			if err != nil {
				return err
			}
			if got := stampOf(a); got != s.acked[i] && got != s.doubtful[i] {
				return fmt.Errorf("%w: %s of %d, want %d", errStale, a.ID, got, s.acked[i])
			}
			return nil
		})
	})
}
