package rafthttp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
)

// tries is the number of times that a request asks for a leader within the hold.
const tries = 4

// pause is the time before another try, if the last one has failed at once.
const pause = 20 * time.Millisecond

// consistencies are those of a node.
var consistencies = map[httpapi.Consistency]raftstore.Consistency{
	httpapi.Default: raftstore.Leader, httpapi.Consistent: raftstore.Linearizable, httpapi.Stale: raftstore.Stale,
}

// Freshness returns the function for httpapi.Options of a node. While there is no leader, as during an election, it waits for
// up to hold; 0 means 5 s. Then it returns httpapi.ErrNoLeader, or ErrBehind if there is one and the node has
// not applied its entries in time. A leader that does not answer is asked again after a quarter of that time: a
// process may be paused.
func Freshness(n *raftstore.Node, hold time.Duration) func(context.Context, httpapi.Consistency) (httpapi.Contact, error) {
	hold = cmp.Or(hold, DefaultHold)
	return func(ctx context.Context, c httpapi.Consistency) (httpapi.Contact, error) {
		info, err := read(ctx, n, consistencies[c], hold)
		switch {
		case err == nil:
			return httpapi.Contact{LastContact: info.LastContact, KnownLeader: info.KnownLeader}, nil
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.Is(err, raftstore.ErrHalted):
			err = fmt.Errorf("%w: %w", store.ErrFailed, err)
		case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, raftstore.ErrNotLeader) && knowsLeader(n):
			err = fmt.Errorf("%w: %w", httpapi.ErrBehind, err)
		case errors.Is(err, raftstore.ErrNotLeader), errors.Is(err, context.DeadlineExceeded):
			err = fmt.Errorf("%w: %w", httpapi.ErrNoLeader, err)
		}
		return httpapi.Contact{}, err
	}
}

func knowsLeader(n *raftstore.Node) bool {
	leader, _ := n.Raft().LeaderWithID()
	return leader != ""
}

// read is Node.Read, again and again for the time of hold. A node that is behind the leader may need more than one try.
func read(ctx context.Context, n *raftstore.Node, c raftstore.Consistency, hold time.Duration) (raftstore.ReadInfo, error) {
	all, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	for {
		one, cancel := context.WithTimeout(all, hold/tries)
		info, err := n.Read(one, c)
		cancel()
		if err == nil || !errors.Is(err, raftstore.ErrNotLeader) && !errors.Is(err, context.DeadlineExceeded) {
			return info, err
		}
		select {
		case <-all.Done():
			return info, err
		case <-time.After(pause):
		}
	}
}

// held calls fn again while it returns that there is no leader and that nothing has happened, up to hold.
func held(ctx context.Context, hold time.Duration, fn func() error) error {
	for until := time.Now().Add(hold); ; {
		err := fn()
		if !errors.Is(err, raftstore.ErrNotLeader) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
