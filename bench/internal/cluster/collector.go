package cluster

import (
	"context"
	"fmt"

	"allocstore/store"
)

// perDeletion is the number of allocations that the collector deletes in a batch. Fewer
// are left at the end.
const perDeletion = 32

// A collector follows the cluster's job and deletes allocations that have ended.
type collector struct {
	position
	c      *Cluster
	s      *store.Store
	stream []entry
	dead   []int // to be deleted
}

// An entry is one of the stream.
type entry struct {
	index uint64
	alloc int
	gone  bool
}

// run reads the stream until ctx ends.
func (co *collector) run(ctx context.Context) error {
	complete := false
	for ch, err := range co.s.Follow(ctx, store.Job(co.c.job.ID), 0) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("follow: %w", err)
		case ch.Complete == complete:
			return fmt.Errorf("follow: %+v; the state of the beginning is complete: %v", ch, complete)
		case ch.Complete:
			complete = true
		default:
			if err := co.take(ctx, &ch); err != nil {
				return err
			}
		}
		co.seen.Store(ch.Index)
	}
	return ctx.Err()
}

// take takes note of a change, and deletes if enough have ended.
func (co *collector) take(ctx context.Context, ch *store.ListChange) error {
	e := entry{index: ch.Index, gone: ch.Gone != nil}
	id := ""
	if e.gone {
		id = ch.Gone.ID
	} else {
		id = ch.Alloc.ID
	}
	i, ok := co.c.numbers[id]
	if !ok || e.gone && (ch.Gone.Reason != store.Removed || ch.Gone.Index != ch.Index) || !e.gone && ch.Alloc.ModifyIndex != ch.Index {
		return fmt.Errorf("follow: %+v is not a change of the job", ch)
	}
	e.alloc = i
	co.stream = append(co.stream, e)
	if !e.gone && ch.Alloc.ClientTerminal() && isCollected(i) {
		co.dead = append(co.dead, i)
	}
	if len(co.dead) < perDeletion {
		return nil
	}
	var b store.Batch
	for _, i := range co.dead {
		b.Delete(co.c.fleet.ID(i))
	}
	applied, err := co.s.Apply(ctx, &b)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	for _, i := range co.dead {
		co.c.note(i, isDeleted, applied.Index)
	}
	co.dead = co.dead[:0]
	return nil
}
