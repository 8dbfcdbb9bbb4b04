package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/report"
	"allocstore/schema"
	"allocstore/store"
)

// reopen closes the store, opens it again, and verifies everything in it.
func (p *player) reopen(ctx context.Context) error {
	if err := p.close(); err != nil {
		return err
	}
	timing := report.Start("open")
	if err := p.open(); err != nil {
		return err
	}
	opened := timing.End(p.Report, io.Discard, p.s.Stats().Allocations, nil)
	p.Record("open per allocation", opened.Seconds/float64(opened.Operations)*1e6, "µs")
	return p.check(ctx)
}

// close closes the store, and records the file's size and the last index.
func (p *player) close() error {
	stats := p.s.Stats()
	p.Record("file per allocation placed, at the end", float64(stats.FileBytes)/float64(p.Len()+p.cluster.Placed()), "bytes")
	p.Record("last index", float64(stats.LastIndex), "")
	p.lastIndex = stats.LastIndex
	return p.s.Close()
}

// total returns the number of changes that the program makes.
func (p *player) total() int {
	return p.Len()*(1+eventsPerTask) + (p.Len()+9)/10 + p.cluster.Changes()
}

// check compares the reopened store with the player's state.
func (p *player) check(ctx context.Context) error {
	if got := p.s.LastIndex(); got != p.lastIndex {
		return fmt.Errorf("after reopening the last index is %d, it was %d", got, p.lastIndex)
	}
	if err := p.verify(ctx); err != nil {
		return err
	}
	return p.replay(ctx)
}

// verify compares every allocation, as read from the file, with the player's state.
func (p *player) verify(ctx context.Context) error {
	end := p.startPhase("get from the file and verify", p.Len())
	defer func() { end(p.Len(), nil) }()
	for i := range p.Len() {
		if err := p.verifyOne(ctx, i); err != nil {
			return err
		}
		p.done.Add(1)
	}
	if err := p.verifyLists(); err != nil {
		return err
	}
	return p.cluster.Check(ctx, p.s)
}

func (p *player) verifyOne(ctx context.Context, i int) error {
	got, err := p.s.Get(p.ids[i])
	if p.deleted[i] != 0 {
		return p.verifyDeleted(ctx, i, err)
	}
	if err != nil {
		return err
	}
	return p.Check(i, got, fleet.Truth{Created: p.created[i/fleet.PerJob], Modified: p.last[i], Events: eventsPerTask})
}

// verifyDeleted checks that allocation i is gone and that a wait reports its
// deletion. err is the error that Get returned.
func (p *player) verifyDeleted(ctx context.Context, i int, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s: get after the deletion: %v", p.ids[i], err)
	}
	r, err := p.s.Wait(ctx, p.ids[i], store.QueryOptions{MinQueryIndex: p.last[i]})
	if err != nil {
		return fmt.Errorf("%s: wait after the deletion: %w", p.ids[i], err)
	}
	if r.Outcome != store.Deleted || r.Index != p.deleted[i] {
		return fmt.Errorf("%s: deleted at %d, a wait says %v at %d", p.ids[i], p.deleted[i], r.Outcome, r.Index)
	}
	return nil
}

// verifyLists compares the lengths of two lists with the number of live allocations.
func (p *player) verifyLists() error {
	alive, ofJob := p.cluster.Alive(), 0
	for i, deleted := range p.deleted {
		if deleted == 0 {
			alive++
			if i < fleet.PerJob {
				ofJob++
			}
		}
	}
	for _, list := range []struct {
		name string
		got  store.Allocations
		want int
	}{{"All", p.s.All(), alive}, {"ByJob", p.s.ByJob(p.JobID(0)), ofJob}} {
		n := 0
		for _, err := range list.got {
			if err != nil {
				return err
			}
			n++
		}
		if n != list.want {
			return fmt.Errorf("%s lists %d allocations, want %d", list.name, n, list.want)
		}
	}
	return nil
}

// replay applies the feed to a map, which must then equal the store. The feed starts
// at the compaction floor, so the map starts with the allocations that have not
// changed above the floor.
func (p *player) replay(ctx context.Context) error {
	read := 0
	end := p.startPhase("replay the feed", p.total())
	defer func() { end(read, nil) }()
	floor := p.s.Stats().Floor
	content, err := p.unchangedSince(floor)
	if err != nil {
		return err
	}
	next := max(floor, 1) + 1 // no index is skipped; index 1 is the store's creation
	for ch, err := range p.s.Changes(ctx, floor) {
		if err != nil {
			return err
		}
		if ch.Index != next {
			return fmt.Errorf("the feed has a change at index %d where one at %d comes next", ch.Index, next)
		}
		if content[ch.ID] = ch.Alloc; ch.Alloc == nil {
			delete(content, ch.ID)
		}
		read++
		p.done.Add(1)
		if ch.Last && ch.Index == p.lastIndex {
			break
		}
		if ch.Last {
			next++
		}
	}
	if floor == 0 && read != p.total() {
		return fmt.Errorf("the feed has %d changes, %d were written", read, p.total())
	}
	return p.compareWith(content)
}

// unchangedSince returns the allocations whose last change is at or below index.
func (p *player) unchangedSince(index uint64) (map[string]*schema.Allocation, error) {
	content := make(map[string]*schema.Allocation, p.Len())
	for a, err := range p.s.All() {
		if err != nil {
			return nil, err
		}
		if a.ModifyIndex <= index {
			content[a.ID] = a
		}
	}
	return content, nil
}

func (p *player) compareWith(content map[string]*schema.Allocation) error {
	n := 0
	for a, err := range p.s.All() {
		if err != nil {
			return err
		}
		if !same(a, content[a.ID]) {
			return fmt.Errorf("%s: stored\n%+v, replayed\n%+v", a.ID, a, content[a.ID])
		}
		n++
	}
	if n != len(content) {
		return fmt.Errorf("%d allocations are stored, %d were replayed", n, len(content))
	}
	return nil
}

// same compares two allocations by their canonical encoding.
func same(a, b *schema.Allocation) bool {
	var codec schema.Codec
	return b != nil && bytes.Equal(codec.AppendAllocation(nil, a), codec.AppendAllocation(nil, b))
}
