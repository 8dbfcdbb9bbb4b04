package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Election timeouts of a node in an image: raft's least, and one that does not end.
const (
	whileJudged = 5 * time.Millisecond
	untilAsked  = time.Hour
)

// memberWorkers is the number of nodes that are judged at a time: they wait for elections.
const memberWorkers = 8

// memberCutter cuts the power of a node that votes alone.
func memberCutter(budget int, seed uint64) cutter {
	return cutter{budget: budget, seed: seed, maxBad: 1, judge: judgeMember, workers: memberWorkers}
}

// judgeMember opens the node in an image. Before the election its store must be in the state after a batch, and its
// applied index must be that of its content. Then it must elect itself, and show the state after a batch at or past
// the last acknowledged one, and all batches of its log. With used it then applies a batch, and is opened again.
func judgeMember(h *history, img *trialImage, dir string) (v verdict) {
	defer v.recovered()
	if v.err = img.writeTo(dir); v.err != nil {
		return v
	}
	m, err := openMember(dir, alone, untilAsked)
	if err != nil {
		v.err = err
		return v
	}
	v.fresh = img.acked == 0
	err = h.matchesMember(m, img, v.fresh)
	if v.index = m.Store().LastIndex(); err == nil && img.used {
		v.err = useMember(m, dir)
		return v
	}
	v.err = errors.Join(err, m.Close())
	return v
}

// recovered makes a panic a violation.
func (v *verdict) recovered() {
	if p := recover(); p != nil {
		v.err = fmt.Errorf("panic: %v", p)
	}
}

// matchesMember is judgeMember of a node that is open.
func (h *history) matchesMember(m *member, img *trialImage, fresh bool) error {
	last, k := m.Raft().LastIndex(), m.Store().LastIndex()
	err := h.matches(m.Store(), 0)
	if err == nil {
		err = h.lacksNone(k, m.Store().AppliedIndex())
	}
	if err != nil {
		return fmt.Errorf("before the election: %w", err)
	}
	if fresh {
		if err := m.bootstrap(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
			return err
		}
	}
	if err := errors.Join(m.hasten(), m.lead()); err != nil {
		return err
	}
	if err := h.matches(m.Store(), img.acked); err != nil {
		return err
	}
	return h.lacksNone(m.Store().LastIndex(), max(last, img.acked))
}

// useMember applies a batch, closes the node, and opens it once more.
func useMember(m *member, dir string) error {
	index, err := m.use()
	if err = errors.Join(err, m.Close()); err != nil {
		return fmt.Errorf("writing to it: %w", err)
	}
	if m, err = openMember(dir, alone, whileJudged); err != nil {
		return fmt.Errorf("opening it again: %w", err)
	}
	err = m.lead()
	if last := m.Store().LastIndex(); err == nil && last != index {
		err = fmt.Errorf("index %d, should be %d", last, index)
	}
	for fault := range m.Store().Check(context.Background()) {
		err = errors.Join(err, fault)
	}
	if err = errors.Join(err, m.Close()); err != nil {
		return fmt.Errorf("opening it again: %w", err)
	}
	return nil
}
