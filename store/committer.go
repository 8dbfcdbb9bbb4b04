package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"allocstore/store/internal/compaction"
	"allocstore/store/internal/logfile"
)

// A committer makes batches durable, one group at a time.
//
// One goroutine writes. While a group is on its way to the disk, arriving batches queue;
// then all of them go as the next group: one transaction, one fdatasync, each batch at its
// own index, in the order of arrival. There is no timer and no delay. A lone writer pays
// for a sync, and 256 writers share it.
//
// After a small group the committer yields once, so that the writers it has just answered
// can queue their next batches. Otherwise they form two groups that take turns, and 16
// writers make 27,900 updates a second instead of 32,000. After a large group it does not
// yield: many share a sync anyway, and half of the writers encode while the batches of the
// other half are planned (design/0003).
//
// A group has these steps, all in the committer's goroutine:
//
//  1. next: everything queued, up to maxGroupBytes. A writer cannot withdraw from here on.
//  2. plan: each batch is planned against the published content and the group's earlier
//     batches; see package plan. A refused batch has no effect. When the others write more than
//     maxGroupBytes, the rest of the group returns to the front of the queue, where it can
//     be withdrawn again.
//  3. commit: the records, the new jobs, and the last index; see group_writer.go. If no batch
//     changes anything, nothing is written.
//  4. publish: batch by batch, versions and lists, the index, the waiters; see core.
//  5. answer.
//
// Nothing is published before step 3 is over, so no reader sees a batch that a crash could take
// back. If step 3 fails, the content of the disk is unknown: nothing is published, the
// store fails for good, and all writers and waiters are told.
//
// Rejected: bbolt's own Batch (10 ms for a lone writer, and it may run its function twice);
// publishing in Tx.OnCommit (its handlers run after the write lock is released, out of
// order in 1 of 100 cases; design/0005); and planning one group while another goroutine
// commits the one before, which gained nothing (design/0003).
type committer struct {
	env      commitEnv
	readOnly bool

	queue struct {
		sync.Mutex // guards the rest; a leaf lock, held for a few pointers
		changed    *sync.Cond
		waiting    []*request
		removal    *removal // nil without any
		barriers   []*barrier
		err        error // why nothing is accepted any more
	}
	stopped chan struct{} // closed when the goroutine has ended

	// The rest belongs to the goroutine.
	group    []*request
	removal  *removal
	barriers []*barrier
}

// A commitEnv is the committer's environment: the functions that it needs of a store. A test
// gives it one without a database.
type commitEnv struct {
	// commit commits the batches and some of the removals, which may be nil, and returns an
	// answer to each. It calls putBack(n) first if only n batches fit. An error leaves the
	// disk's content unknown.
	commit func(batches []*request, r *compaction.Removals, putBack func(n int)) ([]answer, error)

	// publish makes the committed batches visible.
	publish func()

	// fail fails the store, and returns the error for all writers.
	fail func(cause error) error
}

// maxGroupBytes bounds a group's input and its output; the last batch may exceed either. It
// bounds how long a writer of a small batch waits.
const maxGroupBytes = 32 << 20

// largeGroup is the least number of batches in a large group: planning them takes about as
// long as a sync. Half and twice as many measured the same (design/0003).
const largeGroup = 64

func newCommitter(env commitEnv, readOnly bool) *committer {
	c := &committer{env: env, readOnly: readOnly, stopped: make(chan struct{})}
	c.queue.changed = sync.NewCond(&c.queue)
	if readOnly {
		c.queue.err = ErrReadOnly
	}
	return c
}

func (c *committer) start() { go c.run() }

// stop refuses queued and later batches, and waits for the group under way.
func (c *committer) stop() {
	c.refuse(ErrClosed)
	<-c.stopped
}

// refuse answers all queued batches with err, and all later ones.
func (c *committer) refuse(err error) {
	c.queue.Lock()
	waiting, rm, barriers := c.queue.waiting, c.queue.removal, c.queue.barriers
	c.queue.waiting, c.queue.removal, c.queue.barriers = nil, nil, nil
	if c.queue.err != ErrClosed { // which may replace a failure, never the reverse
		c.queue.err = err
	}
	c.queue.changed.Signal()
	c.queue.Unlock()
	answerAll(waiting, err)
	rm.finish(err)
	finishAll(barriers, err)
}

// refusal returns why nothing is accepted any more.
func (c *committer) refusal() error {
	c.queue.Lock()
	defer c.queue.Unlock()
	return c.queue.err
}

// enqueue puts rs at the end of the queue, one after the other.
func (c *committer) enqueue(rs ...*request) error {
	c.queue.Lock()
	defer c.queue.Unlock()
	if c.queue.err != nil {
		return c.queue.err
	}
	c.queue.waiting = append(c.queue.waiting, rs...)
	c.queue.changed.Signal()
	return nil
}

// await returns the answer to r, or ctx's error if r can still be withdrawn.
func (c *committer) await(ctx context.Context, r *request) (answer, error) {
	if ctx.Done() == nil {
		return <-r.answered, nil
	}
	select {
	case a := <-r.answered:
		return a, nil
	case <-ctx.Done():
	}
	if c.withdraw(r) {
		return answer{}, ctx.Err()
	}
	return <-r.answered, nil
}

// withdraw removes r from the queue, and reports whether it was there.
func (c *committer) withdraw(r *request) bool {
	c.queue.Lock()
	defer c.queue.Unlock()
	at := slices.Index(c.queue.waiting, r)
	if at < 0 {
		return false
	}
	c.queue.waiting = slices.Delete(c.queue.waiting, at, at+1)
	return true
}

// withdrawCall removes the entries of a call from the queue, which are its last ones, and answers them
// with err.
func (c *committer) withdrawCall(of *call, err error) {
	c.queue.Lock()
	defer c.queue.Unlock()
	c.queue.waiting = slices.DeleteFunc(c.queue.waiting, func(r *request) bool {
		if r.entry == nil || r.entry.call != of {
			return false
		}
		r.answered <- answer{err: err} // has room
		return true
	})
}

// run commits groups until the queue is closed.
func (c *committer) run() {
	defer close(c.stopped)
	defer func() { c.removal.finish(c.refusal()) }()
	for c.next() {
		small := len(c.group) < largeGroup
		c.commitGroup()
		c.runBarriers()
		if small {
			runtime.Gosched() // the writers just answered may have more for the next group
		}
	}
}

// next blocks until there are batches, removals or barriers, and moves the front of the queue into
// the group. It returns false when the queue is closed.
func (c *committer) next() bool {
	c.queue.Lock()
	defer c.queue.Unlock()
	for c.queue.err == nil && len(c.queue.waiting)+len(c.queue.barriers) == 0 && c.queue.removal == nil && c.removal == nil {
		c.queue.changed.Wait()
	}
	if c.queue.err != nil {
		return false
	}
	n, size := 0, 0
	for n < len(c.queue.waiting) && size < maxGroupBytes {
		size += c.queue.waiting[n].size()
		n++
	}
	if c.removal == nil {
		c.removal, c.queue.removal = c.queue.removal, nil
	}
	c.barriers, c.queue.barriers = c.queue.barriers, nil
	c.group = append(c.group[:0], c.queue.waiting[:n]...)
	c.queue.waiting = slices.Delete(c.queue.waiting, 0, n)
	return true
}

// putBack returns the group from number n on to the front of the queue. A batch may write
// far more than it brings: an event is written with all that the client has reported.
func (c *committer) putBack(n int) {
	rest := c.group[n:]
	c.queue.Lock()
	err := c.queue.err
	if err == nil {
		c.queue.waiting = slices.Insert(c.queue.waiting, 0, rest...)
	}
	c.queue.Unlock()
	if err != nil {
		answerAll(rest, err)
	}
	clear(rest)
	c.group = c.group[:n]
}

// answerAll answers rs with err, and forgets them.
func answerAll(rs []*request, err error) {
	for i, r := range rs {
		rs[i] = nil
		r.answered <- answer{err: err}
	}
}

// commitGroup takes the group through its steps. It does nothing if there are only barriers.
func (c *committer) commitGroup() {
	if len(c.group) == 0 && c.removal == nil {
		return
	}
	answers, err := c.env.commit(c.group, c.removal.records(), c.putBack)
	if err != nil {
		c.giveUp(err)
		return
	}
	c.env.publish()
	for i, r := range c.group {
		c.group[i] = nil
		r.answered <- answers[i]
	}
	c.group = c.group[:0]
	if done, err := c.removal.records().Done(); done {
		c.removal.finish(err)
		c.removal = nil
	}
}

// giveUp fails the store and all its writers.
func (c *committer) giveUp(cause error) {
	err := c.env.fail(cause)
	answerAll(c.group, err)
	c.removal.finish(err)
	c.removal = nil
	finishAll(c.barriers, err)
	c.barriers = nil
	c.refuse(err)
}

// A removal is one call of remove: the committer removes some of its records with each group.
type removal struct {
	removals *compaction.Removals
	done     chan error
}

// records returns the records to remove, nil for a nil removal.
func (r *removal) records() *compaction.Removals {
	if r == nil {
		return nil
	}
	return r.removals
}

// finish reports the end of the removal, unless it is nil.
func (r *removal) finish(err error) {
	if r != nil {
		r.done <- err
	}
}

// remove removes dead records, and blocks until all are gone. The caller holds the maintenance
// lock, so there are no other removals.
func (c *committer) remove(r *compaction.Removals) error {
	rm := &removal{removals: r, done: make(chan error, 1)}
	c.queue.Lock()
	err := c.queue.err
	if err == nil {
		c.queue.removal = rm
		c.queue.changed.Signal()
	}
	c.queue.Unlock()
	if err != nil {
		return err
	}
	return <-rm.done
}

// A barrier is a function that runs once, between two groups.
type barrier struct {
	fn   func() error
	done chan error
}

// finishAll reports the end of barriers.
func finishAll(all []*barrier, err error) {
	for _, b := range all {
		b.done <- err
	}
}

// barrier has the committer call fn between two groups, and returns fn's error. If that is
// ErrOutcomeUnknown the store fails. Removals may be under way: some are committed, and no others
// are begun. Barriers run in the order of the calls, from any goroutine. A read-only store has no
// groups.
func (c *committer) barrier(fn func() error) error {
	if c.readOnly {
		return fn()
	}
	b := &barrier{fn, make(chan error, 1)}
	c.queue.Lock()
	err := c.queue.err
	if err == nil {
		c.queue.barriers = append(c.queue.barriers, b)
		c.queue.changed.Signal()
	}
	c.queue.Unlock()
	if err != nil {
		return err
	}
	return <-b.done
}

// runBarriers runs the barriers.
func (c *committer) runBarriers() {
	for len(c.barriers) > 0 {
		b := c.barriers[0]
		err := b.fn()
		if errors.Is(err, logfile.ErrOutcomeUnknown) {
			c.giveUp(err)
			return
		}
		b.done <- err
		c.barriers = c.barriers[1:]
	}
}
