package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"path"
	"runtime"
	"strings"
	"sync"

	"allocstore/schema"
)

// mutations watch what was handed out, which nobody may change. It is for tests, see
// Options.DetectMutation: an allocation's fingerprint is taken when it is handed out
// first, with who received it, and compared whenever it is handed out again, by Check
// and Close, and when it is the oldest of too many.
type mutations struct {
	seed maphash.Seed
	mu   struct {
		sync.Mutex // guards the rest; a leaf lock
		handed     map[*schema.Allocation]*handed
		order      []*handed // as they came
		found      []error   // that nobody was told of
	}
}

// handed is an allocation that somebody has.
type handed struct {
	alloc         *schema.Allocation
	sum           uint64
	first, latest receiver
}

// keptHanded bounds how many are watched, and so kept in memory.
const keptHanded = 4096

// A receiver is where an allocation was received.
type receiver [8]uintptr

func newMutations() *mutations {
	m := &mutations{seed: maphash.MakeSeed()}
	m.mu.handed = make(map[*schema.Allocation]*handed)
	return m
}

// handOut returns a, unless somebody has changed it since it was handed out before.
func (s *Store) handOut(a *schema.Allocation, err error) (*schema.Allocation, error) {
	if s.mutations == nil || a == nil || err != nil {
		return a, err
	}
	if err := s.mutations.handOut(a); err != nil {
		return nil, err
	}
	return a, nil
}

func (m *mutations) handOut(a *schema.Allocation) error {
	var to receiver
	runtime.Callers(3, to[:])
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

// verifyLocked returns ErrMutated if what was handed out has changed, once.
func (m *mutations) verifyLocked(h *handed) error {
	sum := m.fingerprint(h.alloc)
	if sum == h.sum {
		return nil
	}
	h.sum = sum
	return fmt.Errorf("%w: allocation %s at index %d, received first by %v and last by %v",
		ErrMutated, h.alloc.ID, h.alloc.ModifyIndex, h.first, h.latest)
}

// found returns the changes that nobody was told of, those of now included.
func (m *mutations) found() error {
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

// fingerprint returns the sum of all of a. What has been changed into something that
// cannot be encoded has a sum too.
func (m *mutations) fingerprint(a *schema.Allocation) (sum uint64) {
	defer func() { _ = recover() }()
	encoded := schema.AppendAllocation(nil, a)
	if a.Job != nil {
		encoded = schema.AppendJob(encoded, a.Job)
	}
	return maphash.Bytes(m.seed, encoded)
}

// ownFunctions is what the names of this package's functions begin with.
var ownFunctions = func() string {
	pc, _, _, _ := runtime.Caller(0)
	name := runtime.FuncForPC(pc).Name()
	dir, last := path.Split(name)
	pkg, _, _ := strings.Cut(last, ".")
	return dir + pkg + "."
}()

// String names the first function outside this package.
func (r receiver) String() string {
	frames := runtime.CallersFrames(r[:])
	for {
		f, more := frames.Next()
		if outside := !strings.HasPrefix(f.Function, ownFunctions); outside || !more {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
	}
}
