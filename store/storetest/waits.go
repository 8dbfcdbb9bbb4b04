package storetest

import (
	"context"
	"errors"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

const (
	// moment is the time after which a wait counts as blocked.
	moment = 30 * time.Millisecond

	// patience is the longest time for a wait to return.
	patience = 30 * time.Second
)

// A pending wait delivers its result on a channel.
type pending struct {
	u      *suite
	result chan result
}

// A result is the return of a wait.
type result struct {
	store.WaitResult
	err error
}

// wait starts a wait for the n-th allocation.
func (u *suite) wait(n int, opts store.QueryOptions) *pending {
	p := &pending{u, make(chan result, 1)}
	go func() {
		r, err := u.r.Wait(u.ctx, u.id(n), opts)
		p.result <- result{r, err}
	}()
	return p
}

// returned waits until the wait returns.
func (p *pending) returned() result {
	select {
	case r := <-p.result:
		return r
	case <-time.After(patience):
		p.u.failf("the wait does not return")
		return result{}
	}
}

// want ends the check unless the wait returns that outcome and that index.
func (p *pending) want(outcome store.Outcome, index uint64) store.WaitResult {
	r := p.returned()
	switch {
	case r.err != nil:
		p.u.failf("the wait ends with %w", r.err)
	case r.Index != index:
		p.u.failf("index %d, want %d", r.Index, index)
	case r.Outcome != 0 && r.Outcome != outcome:
		p.u.failf("outcome %v, want %v", r.Outcome, outcome)
	}
	return r.WaitResult
}

// wantAlloc is want for a result that has the n-th allocation.
func (p *pending) wantAlloc(n int, outcome store.Outcome, index uint64) {
	r := p.want(outcome, index)
	id := p.u.id(n)
	if r.Alloc == nil || r.Alloc.ID != id || r.Alloc.ModifyIndex != r.Index || r.ID != "" && r.ID != id {
		p.u.failf("result %+v, want allocation %s", r, id)
	}
}

// wantBlocked ends the check if the wait returns within a moment.
func (p *pending) wantBlocked(why string) {
	select {
	case r := <-p.result:
		p.u.failf("%s, and the wait returns %+v, error %v", why, r.WaitResult, r.err)
	case <-time.After(moment):
	}
}

// waitRules are the rules for waits.
var waitRules = []rule{
	{"index 0 does not wait, and no answer has index 0", func(u *suite) {
		u.wait(1, store.QueryOptions{}).want(store.NotFound, u.s.LastIndex())
		index := u.place(1)
		u.wait(1, store.QueryOptions{}).wantAlloc(1, store.Changed, index)
	}},
	{"a change above the index returns at once", func(u *suite) {
		index := u.place(1)
		u.wait(1, store.QueryOptions{MinQueryIndex: index - 1}).wantAlloc(1, store.Changed, index)
	}},
	{"a wait returns on its allocation's change, and not on another's", func(u *suite) {
		p := u.wait(1, store.QueryOptions{MinQueryIndex: u.place(1)})
		u.place(2)
		u.place(1) // changes nothing
		p.wantBlocked("another allocation was placed, and this one written without a change")
		index := u.update(&schema.Allocation{ID: u.id(1), ClientStatus: "running"})
		p.wantAlloc(1, store.Changed, index)
	}},
	{"a wait for an absent ID returns when it is placed", func(u *suite) {
		p := u.wait(1, store.QueryOptions{MinQueryIndex: u.s.LastIndex()})
		p.wantBlocked("the ID is absent")
		p.wantAlloc(1, store.Changed, u.place(1))
	}},
	{"a deletion ends a wait, with its index and no allocation", func(u *suite) {
		index := u.place(1)
		during := u.wait(1, store.QueryOptions{MinQueryIndex: index})
		during.wantBlocked("nothing has happened")
		deleted := u.remove(1)
		for _, p := range []*pending{during, u.wait(1, store.QueryOptions{MinQueryIndex: index})} {
			if r := p.want(store.Deleted, deleted); r.Alloc != nil {
				u.failf("the result has allocation %+v", r.Alloc)
			}
		}
		u.wait(1, store.QueryOptions{MinQueryIndex: deleted, MaxQueryTime: patience}).wantBlocked("the deletion was seen")
	}},
	{"a wait that runs out of time returns the current state, without an error", func(u *suite) {
		index := u.place(1)
		u.wait(1, store.QueryOptions{MinQueryIndex: index + 1000, MaxQueryTime: moment}).wantAlloc(1, store.TimedOut, index)
		last := u.s.LastIndex()
		u.wait(2, store.QueryOptions{MinQueryIndex: last, MaxQueryTime: moment}).want(store.TimedOut, last)
	}},
	{"the end of its context ends a wait", func(u *suite) {
		ctx, cancel := context.WithCancel(u.ctx)
		defer cancel()
		u.ctx = ctx
		p := u.wait(1, store.QueryOptions{MinQueryIndex: u.s.LastIndex()})
		p.wantBlocked("nothing has happened")
		cancel()
		if r := p.returned(); !errors.Is(r.err, context.Canceled) {
			u.failf("the wait returns %+v, error %v", r.WaitResult, r.err)
		}
	}},
}
