package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

const (
	// moment is how long a wait that must go on is watched.
	moment = 30 * time.Millisecond

	// patience is how long a wait that must return may take.
	patience = 30 * time.Second
)

// A pending wait delivers its result on a channel.
type pending struct {
	result chan store.WaitResult
	err    chan error
}

// wait begins a wait for the n-th allocation.
func (u *suite) wait(ctx context.Context, n int, opts store.QueryOptions) *pending {
	p := &pending{result: make(chan store.WaitResult, 1), err: make(chan error, 1)}
	go func() {
		r, err := u.f.Wait(ctx, u.id(n), opts)
		if err != nil {
			p.err <- err
			return
		}
		p.result <- r
	}()
	return p
}

// expect waits for the result and compares its index and its outcome.
func (p *pending) expect(outcome store.Outcome, index uint64) (store.WaitResult, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case err := <-p.err:
		return store.WaitResult{}, fmt.Errorf("the wait ends with %w", err)
	case <-timeout.C:
		return store.WaitResult{}, errors.New("the wait does not return")
	case r := <-p.result:
		if r.Index != index {
			return r, fmt.Errorf("index %d, want %d", r.Index, index)
		}
		if r.Outcome != 0 && r.Outcome != outcome {
			return r, fmt.Errorf("outcome %v, want %v", r.Outcome, outcome)
		}
		return r, nil
	}
}

// goesOn returns an error if the wait has returned, or does so in a moment.
func (p *pending) goesOn(why string) error {
	select {
	case r := <-p.result:
		return fmt.Errorf("%s, and the wait returns %+v", why, r)
	case err := <-p.err:
		return fmt.Errorf("%s, and the wait ends with %w", why, err)
	case <-time.After(moment):
		return nil
	}
}

// holds returns an error unless r has the n-th allocation.
func (u *suite) holds(r store.WaitResult, n int) error {
	if r.Alloc == nil || r.Alloc.ID != u.id(n) || r.Alloc.ModifyIndex != r.Index || r.ID != "" && r.ID != u.id(n) {
		return fmt.Errorf("result %+v, want allocation %s", r, u.id(n))
	}
	return nil
}

func (u *suite) zeroIndex() error {
	if _, err := u.wait(u.ctx, 1, store.QueryOptions{}).expect(store.NotFound, u.s.LastIndex()); err != nil {
		return fmt.Errorf("an absent ID: %w", err)
	}
	index, err := u.place(1)
	if err != nil {
		return err
	}
	r, err := u.wait(u.ctx, 1, store.QueryOptions{}).expect(store.Changed, index)
	if err != nil {
		return err
	}
	return u.holds(r, 1)
}

func (u *suite) returnsAtOnce() error {
	index, err := u.place(1)
	if err != nil {
		return err
	}
	r, err := u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: index - 1}).expect(store.Changed, index)
	if err != nil {
		return err
	}
	return u.holds(r, 1)
}

func (u *suite) wakes() error {
	index, err := u.place(1)
	if err != nil {
		return err
	}
	p := u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: index})
	if _, err := u.place(2); err != nil {
		return err
	}
	if _, err := u.place(1); err != nil { // which changes nothing
		return err
	}
	if err := p.goesOn("another allocation was placed, and this one written as it is"); err != nil {
		return err
	}
	applied, err := u.s.UpdateFromClient(u.ctx, &schema.Allocation{ID: u.id(1), ClientStatus: "running"})
	if err != nil {
		return err
	}
	r, err := p.expect(store.Changed, applied.Index)
	if err != nil {
		return err
	}
	return u.holds(r, 1)
}

func (u *suite) creation() error {
	p := u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: u.s.LastIndex()})
	if err := p.goesOn("the ID is absent"); err != nil {
		return err
	}
	index, err := u.place(1)
	if err != nil {
		return err
	}
	r, err := p.expect(store.Changed, index)
	if err != nil {
		return err
	}
	return u.holds(r, 1)
}

func (u *suite) deletionEndsWait() error {
	index, err := u.place(1)
	if err != nil {
		return err
	}
	during := u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: index})
	if err := during.goesOn("nothing has happened"); err != nil {
		return err
	}
	applied, err := u.s.Delete(u.ctx, u.id(1))
	if err != nil {
		return err
	}
	for _, p := range []*pending{during, u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: index})} {
		r, err := p.expect(store.Deleted, applied.Index)
		if err != nil {
			return err
		}
		if r.Alloc != nil {
			return fmt.Errorf("the result has allocation %+v", r.Alloc)
		}
	}
	return u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: applied.Index, MaxQueryTime: patience}).goesOn("the deletion was seen")
}

func (u *suite) timeOut() error {
	index, err := u.place(1)
	if err != nil {
		return err
	}
	r, err := u.wait(u.ctx, 1, store.QueryOptions{MinQueryIndex: index + 1000, MaxQueryTime: moment}).expect(store.TimedOut, index)
	if err != nil {
		return err
	}
	if err := u.holds(r, 1); err != nil {
		return err
	}
	last := u.s.LastIndex()
	_, err = u.wait(u.ctx, 2, store.QueryOptions{MinQueryIndex: last, MaxQueryTime: moment}).expect(store.TimedOut, last)
	return err
}

func (u *suite) contextEnds() error {
	ctx, cancel := context.WithCancel(u.ctx)
	p := u.wait(ctx, 1, store.QueryOptions{MinQueryIndex: u.s.LastIndex()})
	if err := p.goesOn("nothing has happened"); err != nil {
		cancel()
		return err
	}
	cancel()
	select {
	case err := <-p.err:
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("the wait ends with %w", err)
		}
		return nil
	case r := <-p.result:
		return fmt.Errorf("the wait returns %+v", r)
	case <-time.After(patience):
		return errors.New("the wait goes on")
	}
}
