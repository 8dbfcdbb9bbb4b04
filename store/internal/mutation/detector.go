package mutation

import (
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"sync"

	"allocstore/schema"
)

// ErrMutated: the caller changed an allocation that was handed out.
var ErrMutated = errors.New("an allocation that was handed out has been changed")

// A Detector detects changes of allocations that were handed out. An allocation's fingerprint is computed when it is
// first handed out. It is compared whenever the allocation is handed out again, by Found, and when
// the allocation is the oldest of too many.
type Detector struct {
	seed maphash.Seed
	mu   struct {
		sync.Mutex // guards the rest; a leaf lock
		handed     map[*schema.Allocation]*handed
		order      []*handed // oldest first
		found      []error   // not reported yet
	}
}

// handed is an allocation that was handed out.
type handed struct {
	alloc         *schema.Allocation
	sum           uint64
	first, latest receiver
}

// keptHanded bounds how many allocations are remembered, and so kept in memory.
const keptHanded = 4096

// A receiver is the call stack that received an allocation.
type receiver [16]uintptr

// New returns a Detector that has handed out nothing.
func New() *Detector {
	m := &Detector{seed: maphash.MakeSeed()}
	m.mu.handed = make(map[*schema.Allocation]*handed)
	return m
}

// HandOut returns ErrMutated if a was handed out before and has changed since. It notes the
// caller outside package store as the receiver; its own caller belongs to the store.
func (m *Detector) HandOut(a *schema.Allocation) error {
	var to receiver
	runtime.Callers(3, to[:]) // without Callers, HandOut and its caller
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.mu.handed[a]; h != nil {
		h.latest = to
		return m.verifyLocked(h)
	}
	h := &handed{alloc: a, sum: m.fingerprint(a), first: to, latest: to}
	m.mu.handed[a] = h
	if m.mu.order = append(m.mu.order, h); len(m.mu.order) > keptHanded {
		oldest := m.mu.order[0]
		m.mu.order = m.mu.order[1:]
		delete(m.mu.handed, oldest.alloc)
		if err := m.verifyLocked(oldest); err != nil {
			m.mu.found = append(m.mu.found, err)
		}
	}
	return nil
}

// verifyLocked returns ErrMutated, once, if the allocation has changed.
func (m *Detector) verifyLocked(h *handed) error {
	sum := m.fingerprint(h.alloc)
	if sum == h.sum {
		return nil
	}
	h.sum = sum
	return fmt.Errorf("%w: allocation %s at index %d, received first by %v and last by %v",
		ErrMutated, h.alloc.ID, h.alloc.ModifyIndex, h.first, h.latest)
}

// Found returns all changes that were not reported yet. A nil Detector finds no change.
func (m *Detector) Found() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.mu.found
	m.mu.found = nil
	for _, h := range m.mu.order {
		if err := m.verifyLocked(h); err != nil {
			found = append(found, err)
		}
	}
	return errors.Join(found...)
}

// fingerprint returns a hash of all of a. An allocation that was changed into one that cannot
// be encoded has a fingerprint too.
func (m *Detector) fingerprint(a *schema.Allocation) (sum uint64) {
	defer func() { _ = recover() }()
	var codec schema.Codec
	encoded := codec.AppendAllocation(nil, a)
	if a.Job != nil {
		encoded = codec.AppendJob(encoded, a.Job)
	}
	return maphash.Bytes(m.seed, encoded)
}

// storeFunctions is the prefix of the names of package store's functions, and partFunctions of
// those of the packages below store/internal.
var storeFunctions, partFunctions = func() (string, string) {
	pc, _, _, _ := runtime.Caller(0)
	store, _, _ := strings.Cut(runtime.FuncForPC(pc).Name(), "/internal/mutation.")
	return store + ".", store + "/internal/"
}()

// String names the first function outside the store.
func (r receiver) String() string {
	frames := runtime.CallersFrames(r[:])
	for {
		f, more := frames.Next()
		own := strings.HasPrefix(f.Function, storeFunctions) || strings.HasPrefix(f.Function, partFunctions)
		if !own || !more {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
	}
}
