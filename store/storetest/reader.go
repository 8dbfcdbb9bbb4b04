package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"allocstore/schema"
	"allocstore/store"
)

// A Reader reads from a store.
//
// Its errors must be those of package store in the sense of errors.Is. A Reader that does not know why
// a wait returned leaves WaitResult.Outcome at 0; the suite compares any other value.
type Reader interface {
	Get(id string) (*schema.Allocation, error)
	Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error)
}

// A Lister is a Reader with lists.
type Lister interface {
	ByNode(nodeID string) store.Allocations
	ByJob(jobID string) store.Allocations
	ByEval(evalID string) store.Allocations
	ByPrefix(prefix string) store.Allocations
}

// A Feed is a Reader with the feed of changes.
type Feed interface {
	Changes(ctx context.Context, after uint64) iter.Seq2[store.Change, error]
}

var (
	_ Reader = (*store.Store)(nil)
	_ Lister = (*store.Store)(nil)
	_ Feed   = (*store.Store)(nil)
)

// TestReader tests r, a Reader of s. Nothing else may write to s meanwhile. It returns nil, or an error
// with one line for each broken rule.
//
//	if err := storetest.TestReader(ctx, s, r); err != nil {
//		t.Fatal(err)
//	}
func TestReader(ctx context.Context, s *store.Store, r Reader) error {
	var broken []error
	for _, rule := range slices.Concat(rules, waitRules) {
		u := &suite{ctx: ctx, s: s, r: r, base: rand.Uint64()}
		if err := u.run(rule.check); err != nil {
			broken = append(broken, fmt.Errorf("rule broken: %s: %w", rule.name, err))
		}
	}
	return errors.Join(broken...)
}

// A suite is the state of one rule's check. Its methods end the check when the rule is broken.
type suite struct {
	ctx  context.Context
	s    *store.Store
	r    Reader
	base uint64 // makes the IDs and names of the rule unique
	err  error  // why the rule is broken
}

// run runs the check in a goroutine, which must can end.
func (u *suite) run(check func(*suite)) error {
	var wg sync.WaitGroup
	wg.Go(func() { check(u) })
	wg.Wait()
	return u.err
}

// must ends the check if there is an error.
func (u *suite) must(err error) {
	if err != nil {
		u.err = err
		runtime.Goexit()
	}
}

// failf ends the check.
func (u *suite) failf(format string, args ...any) { u.must(fmt.Errorf(format, args...)) }

// id is the n-th ID of the rule.
func (u *suite) id(n int) string {
	return fmt.Sprintf("%08x-%04x-%04x-a000-%012x", uint32(u.base), uint16(u.base>>32), uint16(u.base>>48), n)
}

// name makes a name unique to the rule.
func (u *suite) name(of string) string { return fmt.Sprintf("%s-%x", of, u.base) }

// alloc is the n-th allocation of the rule, as a scheduler places it.
func (u *suite) alloc(n int) *schema.Allocation {
	return &schema.Allocation{
		ID: u.id(n), EvalID: u.name("eval"), Name: "example.cache[0]", NodeID: u.name("node"), JobID: u.name("job"),
		Job:          &schema.Job{ID: u.name("job"), Name: "example", Priority: 50},
		TaskGroup:    "cache",
		Resources:    &schema.Resources{CPU: 500, MemoryMB: 256},
		ClientStatus: schema.ClientStatusPending, DesiredStatus: schema.DesiredStatusRun,
	}
}

// place inserts the n-th allocation.
func (u *suite) place(n int) (index uint64) { return u.upsert(u.alloc(n)) }

// upsert is the scheduler's write.
func (u *suite) upsert(allocs ...*schema.Allocation) (index uint64) {
	return u.written(u.s.Upsert(u.ctx, allocs...))
}

// update is the client's write.
func (u *suite) update(a *schema.Allocation) (index uint64) {
	return u.written(u.s.UpdateFromClient(u.ctx, a))
}

// remove deletes the n-th allocation.
func (u *suite) remove(n int) (index uint64) { return u.written(u.s.Delete(u.ctx, u.id(n))) }

// written returns the index of a write, and ends the check if there is an error.
func (u *suite) written(applied store.Applied, err error) (index uint64) {
	u.must(err)
	return applied.Index
}

// get returns the n-th allocation.
func (u *suite) get(n int) *schema.Allocation {
	a, err := u.r.Get(u.id(n))
	u.must(err)
	return a
}
