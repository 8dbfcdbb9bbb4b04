package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"allocstore/schema"
	"allocstore/store"
)

// Front is what reads like a store.
//
// Its errors must be those of package store in the sense of errors.Is. A front
// that cannot tell why a wait returned leaves WaitResult.Outcome at 0; whatever
// it sets is compared.
type Front interface {
	Get(id string) (*schema.Allocation, error)
	Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error)
}

// Lister is a front that lists.
type Lister interface {
	ByNode(nodeID string) store.Allocations
	ByJob(jobID string) store.Allocations
	ByEval(evalID string) store.Allocations
	ByPrefix(prefix string) store.Allocations
}

// Feed is a front that tells what changes.
type Feed interface {
	Changes(ctx context.Context, after uint64) iter.Seq2[store.Change, error]
}

var (
	_ Front  = (*store.Store)(nil)
	_ Lister = (*store.Store)(nil)
	_ Feed   = (*store.Store)(nil)
)

// TestFront tests f, a front of s, which nobody else writes to meanwhile. It
// returns an error with one line for each rule that is broken, or nil.
//
//	if err := storetest.TestFront(ctx, s, f); err != nil {
//		t.Fatal(err)
//	}
func TestFront(ctx context.Context, s *store.Store, f Front) error {
	var broken []error
	for _, rule := range rules {
		u := &suite{ctx: ctx, s: s, f: f, base: rand.Uint64()}
		if err := rule.check(u); err != nil {
			broken = append(broken, fmt.Errorf("rule broken: %s: %w", rule.name, err))
		}
	}
	return errors.Join(broken...)
}

// A suite is the state of one rule's check.
type suite struct {
	ctx  context.Context
	s    *store.Store
	f    Front
	base uint64 // makes the rule's IDs and names its own
}

// id is the n-th ID of the rule.
func (u *suite) id(n int) string {
	return fmt.Sprintf("%08x-%04x-%04x-0000-%012x", uint32(u.base), uint16(u.base>>32), uint16(u.base>>48), n)
}

// name is a name of the rule's own.
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
func (u *suite) place(n int) (uint64, error) {
	a, err := u.s.Upsert(u.ctx, u.alloc(n))
	return a.Index, err
}

// get reads the n-th allocation.
func (u *suite) get(n int) (*schema.Allocation, error) { return u.f.Get(u.id(n)) }
