package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"allocstore/bench/internal/program"
	"allocstore/store"
)

// A feed is the progress of the feed reader.
type feed struct {
	at             atomic.Uint64 // index of the last change read
	count, digests uint64
	events         []int // events read, by allocation
}

// errFeedRead ends the feed reader once it has read all changes.
var errFeedRead = errors.New("the whole feed was read")

// follow reads the feed from the last placement on, until ctx ends. It is no error if
// ctx ends with errFeedRead.
func (s *soaker) follow(ctx context.Context) error {
	s.feed.events = make([]int, s.Len())
	s.feed.at.Store(s.from)
	for ch, err := range s.s.Changes(ctx, s.from) {
		if err != nil && context.Cause(ctx) == errFeedRead {
			return nil
		}
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		if err := s.checkChange(ch); err != nil {
			return fmt.Errorf("feed: %w", err)
		}
	}
	return nil
}

// checkChange checks that a change has the next index of the store and the next event of its allocation.
func (s *soaker) checkChange(ch store.Change) error {
	f := &s.feed
	i, ok := s.number[ch.ID]
	if want := f.at.Load() + 1; !ok || ch.Index != want || !ch.Last || ch.Alloc == nil || ch.Alloc.ModifyIndex != want {
		return fmt.Errorf("the change after %d is that of %s at %d: %+v", want-1, ch.ID, ch.Index, ch.Alloc)
	}
	n, err := s.Last(i, ch.Alloc)
	if err != nil {
		return err
	}
	if n != f.events[i]+1 {
		return fmt.Errorf("%s at %d: event %d comes after %d", ch.ID, ch.Index, n, f.events[i])
	}
	f.events[i] = n
	f.count++
	f.digests += digest(i, n, ch.Index)
	f.at.Store(ch.Index)
	s.read.fed.Add(1)
	return nil
}

// caughtUp waits until the feed reader has read all changes.
func (s *soaker) caughtUp(ctx context.Context) error {
	last := int(s.s.LastIndex()) // final, since the writers have ended
	at, ok := program.Await(last, program.Patience, func() int {
		if ctx.Err() != nil {
			return last
		}
		return int(s.feed.at.Load())
	})
	if !ok {
		return fmt.Errorf("feed: it stays at %d, the last index is %d", at, last)
	}
	return nil
}

// compare compares the feed with the acknowledgements.
func (f *feed) compare(k *acks) error {
	if f.count != k.total() || f.digests != k.digests.Load() {
		return fmt.Errorf("feed: %d changes, digest %x; %d updates were acknowledged, digest %x", f.count, f.digests, k.total(), k.digests.Load())
	}
	return nil
}
