package main

import (
	"errors"
	"time"
)

// awayInstalled is the work of a node that comes back after the others have cut their logs.
const awayInstalled = awayWork + ", beyond the log"

// awayPieces are how soon a follower that was away under load has caught up, while the load goes on. Beyond the log of
// our nodes and go-memdb's it is installed by a snapshot. etcd cuts its log by itself.
func awayPieces() []piece {
	within, beyond := piece{work: awayWork, rounds: 1}, piece{work: awayInstalled, rounds: 1}
	for _, name := range systems {
		if name != etcd {
			within.turns = append(within.turns, turn{name, request{Kind: awayWork}})
		}
		beyond.turns = append(beyond.turns, turn{name, request{Kind: awayWork, Cut: true}})
	}
	return []piece{within, beyond}
}

// beAway stops a follower for -away and starts it. It waits until the follower has reached the index of the leader as of
// the start.
func (b *bench) beAway(cut bool) (sample, error) {
	s := b.subject
	if err := caughtUp(s.system, s.nodes); err != nil {
		return sample{}, err
	}
	leader := s.leader()
	node := others(s.nodes, leader)[0]
	if err := s.stop(node); err != nil {
		return sample{}, err
	}
	load := b.startLoad(s, []int{leader})
	time.Sleep(b.cfg.away)
	var err error
	if cut {
		err = s.cut(leader)
	}
	began := time.Now()
	if err == nil {
		err = s.start(node)
	}
	if err == nil {
		err = caughtUp(s.system, s.nodes)
	}
	took := time.Since(began)
	return sample{Took: took}, errors.Join(err, load.end())
}
