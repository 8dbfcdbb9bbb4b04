package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// reopen closes the store, opens it again, and verifies everything in it.
func (p *player) reopen(ctx context.Context) error {
	if err := p.close(); err != nil {
		return err
	}
	began := time.Now()
	if err := p.open(); err != nil {
		return err
	}
	p.OpenMicrosPer = float64(time.Since(began).Microseconds()) / float64(p.allocs)
	p.add("open, records", p.total(), began, nil)
	return p.check(ctx)
}

// close closes the store and notes what it had come to.
func (p *player) close() error {
	stats := p.s.Stats()
	p.FileBytesPer = float64(stats.FileBytes) / float64(p.allocs)
	p.LastIndex = stats.LastIndex
	return p.s.Close()
}

// total is how many changes the run makes.
func (p *player) total() int { return p.allocs*(1+len(life)) + (p.allocs+9)/10 }

// check compares everything with what it must be.
func (p *player) check(ctx context.Context) error {
	if got := p.s.LastIndex(); got != p.LastIndex {
		return fmt.Errorf("after reopening the last index is %d, it was %d", got, p.LastIndex)
	}
	if err := p.verify(ctx); err != nil {
		return err
	}
	return p.replay(ctx)
}

// verify compares every allocation, read from the file, with what it must be.
func (p *player) verify(ctx context.Context) error {
	defer p.begin("verifying", p.allocs)()
	began := time.Now()
	for i := range p.ids {
		if err := p.verifyOne(ctx, i); err != nil {
			return err
		}
		p.done.Add(1)
	}
	p.VerifiedAllocs = p.allocs
	p.add("get from the file and verify", p.allocs, began, nil)
	return p.verifyLists()
}

func (p *player) verifyOne(ctx context.Context, i int) error {
	want, events := p.want(i)
	got, err := p.s.Get(p.ids[i])
	if want == nil {
		return p.verifyDeleted(ctx, i, err)
	}
	if err != nil {
		return err
	}
	kept := slices.Collect(got.TaskStates[taskName].Events.All())
	if fmt.Sprint(kept) != fmt.Sprint(events) {
		return fmt.Errorf("%s: events\n%+v, want\n%+v", p.ids[i], kept, events)
	}
	if !same(got, want) {
		return fmt.Errorf("%s: stored\n%+v, want\n%+v", p.ids[i], got, want)
	}
	return nil
}

// verifyDeleted checks that a deleted allocation is gone and that the deletion is
// remembered.
func (p *player) verifyDeleted(ctx context.Context, i int, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s: get after the deletion: %v", p.ids[i], err)
	}
	r, err := p.s.Wait(ctx, p.ids[i], store.QueryOptions{MinQueryIndex: p.last[i]})
	if err != nil || r.Outcome != store.Deleted || r.Index != p.deleted[i] {
		return fmt.Errorf("%s: deleted at %d, a wait says %v at %d, %w", p.ids[i], p.deleted[i], r.Outcome, r.Index, err)
	}
	return nil
}

// verifyLists counts the lists.
func (p *player) verifyLists() error {
	alive, ofJob := 0, 0
	for i := range p.ids {
		if p.deleted[i] == 0 {
			alive++
			if i < allocsPerJob {
				ofJob++
			}
		}
	}
	for _, list := range []struct {
		name string
		got  store.Allocations
		want int
	}{{"All", p.s.All(), alive}, {"ByJob", p.s.ByJob(p.jobs[0].ID), ofJob}} {
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

// replay reads the feed from its beginning into a map, which must come to equal
// the store. What has not changed since compaction removed earlier changes is in
// the map from the start.
func (p *player) replay(ctx context.Context) error {
	defer p.begin("replaying the feed", p.total())()
	began := time.Now()
	floor := p.s.Stats().Floor
	content, err := p.unchangedSince(floor)
	if err != nil {
		return err
	}
	last := uint64(0)
	for ch, err := range p.s.Changes(ctx, floor) {
		if err != nil {
			return err
		}
		if ch.Index < last {
			return fmt.Errorf("the feed goes back from index %d to %d", last, ch.Index)
		}
		last = ch.Index
		if content[ch.ID] = ch.Alloc; ch.Alloc == nil {
			delete(content, ch.ID)
		}
		p.VerifiedFeed++
		p.done.Add(1)
		if ch.Last && ch.Index == p.LastIndex {
			break
		}
	}
	p.add("replay the feed", p.VerifiedFeed, began, nil)
	if p.VerifiedFeed != p.total() && (floor == 0 || p.VerifiedFeed < store.DefaultFeedRetention) {
		return fmt.Errorf("the feed has %d changes, %d were written", p.VerifiedFeed, p.total())
	}
	return p.compareWith(content)
}

// unchangedSince returns the allocations whose last change is not above index.
func (p *player) unchangedSince(index uint64) (map[string]*schema.Allocation, error) {
	content := make(map[string]*schema.Allocation, p.allocs)
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
	return b != nil && bytes.Equal(schema.AppendAllocation(nil, a), schema.AppendAllocation(nil, b))
}
