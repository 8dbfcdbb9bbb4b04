package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"allocstore/schema"
	"allocstore/store"
)

// A verdict is the result of opening an image.
type verdict struct {
	index uint64 // the store's index
	fresh bool   // there was no store in it
	err   error  // the violation, or nil
}

// imageOptions are the options for opening an image.
var imageOptions = store.Options{FeedRetention: -1, InitialMmapBytes: 1 << 20, LockTimeout: -1, Logger: slog.New(slog.DiscardHandler)}

// judge opens the image in an empty directory, and compares it with the history: there must
// be a store, in the state after a batch at or past the last acknowledged one. With used
// the store is then written to, and opened again.
func (h *history) judge(img *image, dir string, used bool) (v verdict) {
	if v.err = img.writeTo(dir); v.err != nil {
		return v
	}
	return h.judgeStore(dir, img.acked, used)
}

// judgeStore is judge of the store in a directory.
func (h *history) judgeStore(dir string, acked uint64, used bool) (v verdict) {
	path := filepath.Join(dir, storeName)
	_, err := os.Stat(path)
	v.fresh = errors.Is(err, fs.ErrNotExist)
	if v.fresh && acked > 0 {
		v.err = fmt.Errorf("index %d was acknowledged, and there is no file", acked)
		return v
	}
	s, err := store.Open(path, &imageOptions)
	if err != nil {
		v.err = err
		return v
	}
	v.index = s.LastIndex()
	v.err = h.matches(s, acked)
	var next uint64
	if used && v.err == nil {
		next, v.err = use(s)
	}
	if v.err = errors.Join(v.err, s.Close()); v.err != nil || !used {
		return v
	}
	v.err = reopen(path, next)
	return v
}

// matches returns an error if s is in no state that it may be in.
func (h *history) matches(s *store.Store, acked uint64) error {
	k := s.LastIndex()
	if err := h.matchesApplied(k, s.AppliedIndex(), acked); err != nil {
		return err
	}
	want := h.states[k]
	if want == nil {
		return fmt.Errorf("the store is at index %d, which no batch was given", k)
	}
	got, err := contentOf(s)
	if err == nil {
		err = want.equal(got)
	}
	if err == nil {
		err = want.sameDigest(s, k)
	}
	if err != nil {
		return fmt.Errorf("content at index %d: %w", k, err)
	}
	if err := lookUp(s, want.content); err != nil {
		return fmt.Errorf("at index %d: %w", k, err)
	}
	if err := h.follow(s, k); err != nil {
		return fmt.Errorf("feed up to index %d: %w", k, err)
	}
	for err := range s.Check(context.Background()) {
		return fmt.Errorf("check at index %d: %w", k, err)
	}
	return nil
}

// matchesApplied returns an error if a store whose last index is k has lost an acknowledged index,
// or has an applied index that its content does not have: one saved apart from its data.
func (h *history) matchesApplied(k, applied, acked uint64) error {
	if applied < max(acked, k) {
		return fmt.Errorf("index %d was acknowledged, the store is at %d and has applied %d", acked, k, applied)
	}
	if applied > k && !h.inLog && !h.empty[applied] {
		return fmt.Errorf("the applied index is %d, which no entry without a change was given; the last is %d", applied, k)
	}
	if h.inLog {
		return nil // a new leader gives the indexes of lost entries again: see judgeMember
	}
	return h.lacksNone(k, applied)
}

// lacksNone returns an error if a batch was given an index above k, up to another one.
func (h *history) lacksNone(k, upTo uint64) error {
	for index := range h.states {
		if k < index && index <= upTo {
			return fmt.Errorf("the content at %d lacks the batch at %d, and should be that of index %d", k, index, upTo)
		}
	}
	return nil
}

// contentOf lists the content of s.
func contentOf(s *store.Store) (content, error) {
	got := make(content)
	for a, err := range s.All() {
		if err != nil {
			return nil, err
		}
		got[a.ID] = canonical(a)
	}
	return got, nil
}

// lookUp gets every allocation of the workload, present or not.
func lookUp(s *store.Store, want content) error {
	for i := range idCount {
		id := idOf(i)
		a, err := s.Get(id)
		switch _, there := want[id]; {
		case there && err != nil:
			return fmt.Errorf("get: %w", err)
		case there && canonical(a) != want[id]:
			return fmt.Errorf("get of %s returns other content", id)
		case !there && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("get of %s, which should not be there: %v", id, err)
		}
	}
	return nil
}

// follow reads the feed from its floor to index k.
func (h *history) follow(s *store.Store, k uint64) error {
	floor := s.Stats().Floor
	if floor > k {
		return fmt.Errorf("it begins at %d", floor)
	}
	got := make(map[uint64]content)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if max(floor, 1) < k { // index 1 has no changes
		for ch, err := range s.Changes(ctx, floor) {
			if err != nil {
				return err
			}
			if got[ch.Index] == nil {
				got[ch.Index] = make(content)
			}
			if got[ch.Index][ch.ID] = ""; ch.Alloc != nil {
				got[ch.Index][ch.ID] = canonical(ch.Alloc)
			}
			if ch.Last && ch.Index >= k {
				break
			}
		}
	}
	for index, st := range h.states {
		if index <= floor || index > k {
			continue
		}
		if err := st.changes.equal(got[index]); err != nil {
			return fmt.Errorf("index %d: %w", index, err)
		}
		delete(got, index)
	}
	if len(got) > 0 {
		return fmt.Errorf("%d indexes of no batch", len(got))
	}
	return nil
}

// lastAlloc is an allocation that no workload has.
func lastAlloc() *schema.Allocation {
	return &schema.Allocation{ID: idOf(idCount), Name: "after the power cut", Job: &schema.Job{ID: "job"}}
}

// use writes to a store in any state, and returns the index.
func use(s *store.Store) (uint64, error) {
	next := s.AppliedIndex() + 1
	applied, err := s.Upsert(context.Background(), lastAlloc())
	if err != nil {
		return 0, fmt.Errorf("writing to it: %w", err)
	}
	if applied.Index != next {
		return 0, fmt.Errorf("writing to it: index %d, should be %d", applied.Index, next)
	}
	return next, nil
}

// reopen opens the store once more after use.
func reopen(path string, index uint64) error {
	s, err := store.Open(path, &imageOptions)
	if err != nil {
		return fmt.Errorf("opening it again: %w", err)
	}
	if s.LastIndex() != index || s.AppliedIndex() != index {
		err = fmt.Errorf("opening it again: index %d, applied %d, should be %d", s.LastIndex(), s.AppliedIndex(), index)
	}
	for fault := range s.Check(context.Background()) {
		err = errors.Join(err, fmt.Errorf("opening it again: %w", fault))
	}
	return errors.Join(err, s.Close())
}
