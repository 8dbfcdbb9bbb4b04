package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	bolterrors "go.etcd.io/bbolt/errors"
)

// A committer makes batches durable, one group at a time.
//
// There is one goroutine that writes. While a group is on its way to the disk
// the batches that arrive queue; then all of them go as the next group: one
// bbolt transaction, one fdatasync, each batch at its own index, in the order
// of arrival. There is no timer and no delay. A lone writer pays a sync, and
// 256 writers share it.
//
// After a small group the committer yields once, so that the writers just answered get to
// queue their next batches: without that they end up in two groups that take turns, and 16
// writers make 27,900 updates a second, not 32,000. After a large group it does not: many
// share a sync even so, and half of the writers encode while the other half's batches are
// planned (design/0003).
//
// A group goes through these steps, all in the committer's goroutine:
//
//  1. take: everything that is queued, up to maxGroupBytes. From here on the
//     writer cannot withdraw.
//  2. plan: each batch is worked out against what is published, with the
//     batches before it in the group laid over; see plan.go. A batch that is
//     refused leaves nothing behind. Once the others write more than
//     maxGroupBytes, the rest of the group goes back to the front of the queue,
//     where it can be withdrawn again.
//  3. commit: the records, the jobs that are new, and the last index. If all
//     batches together change nothing, nothing is written.
//  4. publish: batch by batch, versions and lists, the index, the waiters.
//  5. answer.
//
// Nothing is published before step 3 is over, so nobody ever sees what a crash
// could take back. If step 3 fails, what the disk holds is not known: nothing is
// published, the store is failed for good, and everyone is told (see Store.fail).
//
// Rejected: bbolt's own Batch (10 ms for a lone writer, and it may run its
// function twice); publishing in Tx.OnCommit (its handlers run after the write
// lock is gone, out of order in 1 of 100 cases; design/0005); and planning one
// group while another goroutine commits the one before, which gained nothing
// (design/0003).
type committer struct {
	s *Store

	queue struct {
		sync.Mutex // guards the rest; a leaf lock, held for a few pointers
		changed    *sync.Cond
		waiting    []*request
		chore      *chore // what there is to do besides, or nil
		err        error  // why nothing is taken any more
	}
	stopped chan struct{} // closed when the goroutine has ended

	// The rest is the goroutine's own, kept from group to group for its memory.
	group []*request
	plan  *plan
	chore *chore
}

// maxGroupBytes bounds what the batches of a group bring, and what they write, each but
// for a last batch, and with it how long a writer of a small batch waits.
const maxGroupBytes = 32 << 20

// largeGroup is from how many batches on a group is large: planning them takes about as
// long as a sync. Half and twice as many measured the same (design/0003).
const largeGroup = 64

func newCommitter(s *Store) *committer {
	c := &committer{s: s, plan: newPlan(s), stopped: make(chan struct{})}
	c.queue.changed = sync.NewCond(&c.queue)
	return c
}

func (c *committer) start() { go c.run() }

// stop refuses what is queued and what comes, and waits for the group under way.
func (c *committer) stop() {
	c.refuse(ErrClosed)
	<-c.stopped
}

// refuse answers all that are queued with err, and whoever comes from now on.
func (c *committer) refuse(err error) {
	c.queue.Lock()
	waiting, chore := c.queue.waiting, c.queue.chore
	c.queue.waiting, c.queue.chore = nil, nil
	c.queue.err = err // ErrClosed after ErrFailed, and never the other way round
	c.queue.changed.Signal()
	c.queue.Unlock()
	answerAll(waiting, err)
	chore.end(err)
}

// enqueue puts r at the end of the queue.
func (c *committer) enqueue(r *request) error {
	c.queue.Lock()
	defer c.queue.Unlock()
	if c.queue.err != nil {
		return c.queue.err
	}
	c.queue.waiting = append(c.queue.waiting, r)
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

// withdraw takes r off the queue, unless it has been taken already.
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

// run commits groups until the queue is closed.
func (c *committer) run() {
	defer close(c.stopped)
	defer func() { c.chore.end(ErrClosed) }()
	for c.take() {
		small := len(c.group) < largeGroup
		c.commitGroup()
		c.other()
		if small {
			runtime.Gosched() // whoever was answered may have more for the next group
		}
	}
}

// take waits for batches and moves the front of the queue into the group, or for
// a chore. It reports false when nothing will come any more.
func (c *committer) take() bool {
	c.queue.Lock()
	defer c.queue.Unlock()
	for len(c.queue.waiting) == 0 && c.queue.chore == nil && c.chore == nil || c.queue.err != nil {
		if c.queue.err != nil {
			return false
		}
		c.queue.changed.Wait()
	}
	n, size := 0, 0
	for n < len(c.queue.waiting) && size < maxGroupBytes {
		size += c.queue.waiting[n].batch.size
		n++
	}
	if c.chore == nil {
		c.chore, c.queue.chore = c.queue.chore, nil
	}
	c.group = append(c.group[:0], c.queue.waiting[:n]...)
	c.queue.waiting = slices.Delete(c.queue.waiting, 0, n)
	return true
}

// putBack returns the requests from number n on to the front of the queue, since those
// before write as much as a group may. A batch may write far more than it brings: an event
// is written with all that the client has said before.
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

// commitGroup takes the group through its steps.
func (c *committer) commitGroup() {
	if err := c.write(); err != nil {
		c.giveUp(err)
		return
	}
	c.removed()
	outcomes := c.plan.outcomes
	for _, j := range c.plan.jobs {
		if j.body == "" { // it is in the file
			c.s.jobs.add(j.job)
			c.s.tally.jobs.Add(int64(j.size))
		}
		if j.body == "" && j.heals {
			c.s.heal(j.hash)
		}
	}
	for i := range outcomes {
		c.publish(&outcomes[i])
	}
	c.s.afterGroup()
	for i, r := range c.group {
		c.group[i] = nil
		r.answered <- outcomes[i].answer
	}
	c.group = c.group[:0]
	c.plan.reset()
}

// giveUp fails the store and everybody who wants to write to it.
func (c *committer) giveUp(cause error) {
	err := c.s.fail(cause)
	answerAll(c.group, err)
	c.chore.end(err)
	c.chore = nil
	c.refuse(err)
	c.plan.reset()
}

// write plans the group, or as much of it as one commit may write, and commits what that
// changes. An error leaves the state of the disk unknown.
func (c *committer) write() (err error) {
	defer contain(c.s.file.path, catchFaults(), &err)
	tx, err := c.s.file.begin()
	if err != nil {
		return err
	}
	defer func() {
		if e := tx.Rollback(); e != nil && err == nil && !errors.Is(e, bolterrors.ErrTxClosed) {
			err = e
		}
	}()
	c.plan.begin(readingOf(tx))
	for i, r := range c.group {
		if c.plan.size > maxGroupBytes {
			c.putBack(i)
			break
		}
		if err := c.plan.add(r); err != nil {
			return err
		}
	}
	if !c.plan.changed() && !c.chore.removes() {
		return nil
	}
	if err := c.remove(tx); err != nil {
		return err
	}
	c.s.holds.last = c.plan.last
	if err := putContents(tx, &c.s.holds); err != nil {
		return err
	}
	c.s.unsettled = true
	if err := c.s.file.db.Load().commit(tx); err != nil {
		return err
	}
	c.s.counts.commits.Add(1)
	return nil
}
