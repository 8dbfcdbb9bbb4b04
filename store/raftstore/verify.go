package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// A verifier finds out whether this node still leads, by a majority of the members whose term is not higher. A later
// leader needs votes of a majority, and a node that votes raises its term first. So at least one of the votes was given
// after the question, and nothing had been written under that leader before.
//
// Raft's own VerifyLeader also counts answers to messages that were sent before the question. They may have been on
// their way since before the election of another leader, while this process was paused, or raft's main
// goroutine waited for the disk.
//
// One round serves all questions that were asked before it began.
type verifier struct {
	n  *Node
	mu struct {
		sync.Mutex
		next    *round // the round that has not begun, or nil
		running bool
	}
}

// A round asks all members once.
type round struct {
	done chan struct{} // closed when term and err are set
	term uint64        // in which this node led when the round began
	err  error
}

// verify returns the term in which this node led at some time after the call.
func (v *verifier) verify(ctx context.Context) (term uint64, err error) {
	v.mu.Lock()
	if v.mu.next == nil {
		v.mu.next = &round{done: make(chan struct{})}
	}
	r := v.mu.next
	if !v.mu.running {
		v.mu.running = true
		go v.run()
	}
	v.mu.Unlock()
	select {
	case <-r.done:
		return r.term, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-v.n.up.Done():
		return 0, v.n.available()
	}
}

// run runs rounds for as long as there are questions.
func (v *verifier) run() {
	for {
		v.mu.Lock()
		r := v.mu.next
		v.mu.next, v.mu.running = nil, r != nil
		v.mu.Unlock()
		if r == nil {
			return
		}
		r.term, r.err = v.round()
		close(r.done)
	}
}

// round asks the members, for at most an election timeout.
func (v *verifier) round() (term uint64, err error) {
	n := v.n
	if term = n.raft.CurrentTerm(); n.raft.State() != raft.Leader {
		return 0, fmt.Errorf("%w: this node follows", ErrNotLeader)
	}
	ctx, cancel := context.WithTimeout(n.up, n.raft.ReloadableConfig().ElectionTimeout)
	defer cancel()
	members, err := n.Members()
	if err != nil {
		return 0, err
	}
	voters, agree := 0, 0
	answers := make(chan error, len(members))
	for _, m := range members {
		switch {
		case !m.Voter:
			continue
		case m.ID == n.config.ID:
			agree++ // readIndex looks again afterwards
		default:
			go func() { answers <- n.askTerm(ctx, m, term) }()
		}
		voters++
	}
	var errs []error
	for asked := voters - agree; agree <= voters/2; asked-- {
		if asked == 0 {
			return 0, fmt.Errorf("%w: no majority has answered: %w", ErrNotLeader, errors.Join(errs...))
		}
		select {
		case err := <-answers:
			if err == nil {
				agree++
			} else {
				errs = append(errs, err)
			}
		case <-ctx.Done(): // Forward may take longer
			return 0, fmt.Errorf("%w: no majority has answered in time: %w", ErrNotLeader, errors.Join(errs...))
		}
	}
	return term, nil
}

// askTerm returns nil if a member has no higher term.
func (n *Node) askTerm(ctx context.Context, m Member, term uint64) error {
	answer, err := n.config.Forward(ctx, m.Address, append([]byte{requestTerm}, m.ID...))
	if err != nil {
		return fmt.Errorf("%s: %w", m.ID, err)
	}
	its, err := decodeIndex(answer)
	if err == nil && its > term {
		err = fmt.Errorf("%w: it has term %d, after %d", ErrNotLeader, its, term)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.ID, err)
	}
	return nil
}

// ownTerm returns the term of this node for one that asks the member with an ID. Another node at the address of the
// member, and one that has lost its directory, have not seen the terms that the member has.
func (n *Node) ownTerm(id raft.ServerID) (uint64, error) {
	if id != n.config.ID {
		return 0, fmt.Errorf("%w: %q was asked for its term, and this is %q", ErrNotLeader, id, n.config.ID)
	}
	if err := n.newcomer.caughtUp(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	return n.raft.CurrentTerm(), nil
}

// verify finds out whether this node leads in a term. Without Config.Forward an entry of the log does.
func (n *Node) verify(ctx context.Context, term uint64) (err error) {
	led := term
	if n.config.Forward != nil {
		led, err = n.verifier.verify(ctx)
	} else if _, err = n.propose(ctx, &entry{}); errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil && n.available() == nil {
		err = fmt.Errorf("%w: %s", ErrNotLeader, err.Error())
	}
	if err == nil && led != term {
		err = fmt.Errorf("%w: term %d has ended", ErrNotLeader, term)
	}
	return err
}
