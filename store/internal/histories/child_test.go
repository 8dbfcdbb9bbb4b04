package histories

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allocstore/store"
)

// planVar is the variable of the environment that makes the test binary a child.
const planVar = "ALLOCSTORE_HISTORY"

// Clients. Each group has allocations of its own. Porcupine limits the number of clients of a
// group.
const (
	groups      = 2
	writers     = 3 // of a group
	getters     = 1
	lateWaiters = 1 // wait with any index
	waiters     = 2 // the first waits for the allocation that is seldom written
	anyWaiters  = 1 // wait for all allocations of the group
	perGroup    = writers + getters + lateWaiters + waiters + anyWaiters

	allocs = 5 // of a group; the first is written seldom
	total  = groups * allocs

	follower  = groups * perGroup // the client that reads the feed
	snapshots = follower + 1      // the client that reads snapshots
	compactor = snapshots + 1
	clients   = compactor + 1
)

// feedLag is the largest lag of the feed: writers wait for it. FeedRetention is larger, so
// that the next child's feed goes on without a gap.
const (
	feedLag   = 300
	retention = 1200
)

// A plan has the parent's instructions for a child.
type plan struct {
	Run       int
	Seed      uint64
	Path, Log string
	Kind      kind
	Length    time.Duration  // of its life; 0: until it is killed
	Calls     map[int]int    // by client: the number of its calls so far
	Min       map[int]uint64 // by client: its last index
}

// A kind is that of a history.
type kind int

const (
	ofAllocations kind = iota
	ofLists
	ofNodes
)

// A child is the process that has the store open.
type child struct {
	plan
	*journal
	s    *store.Store
	fed  atomic.Uint64
	told []atomic.Uint64 // by follower of a list: the index of its last change
	stop chan struct{}   // closed to end the writers
	wait context.Context
}

// TestMain runs the tests, or one child.
func TestMain(m *testing.M) {
	text := os.Getenv(planVar)
	if text == "" {
		os.Exit(m.Run())
	}
	var p plan
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.run()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

// run is the main function of a child.
func (p *plan) run() error {
	j, err := openJournal(p.Log, p.Run)
	if err != nil {
		return err
	}
	c := &child{plan: *p, journal: j, stop: make(chan struct{})}
	begin := c.now()
	opts := store.Options{FeedRetention: retention}
	if p.Kind == ofLists {
		opts.FeedRetention = listRetention
	}
	switch p.Run % 3 {
	case 1:
		opts.ResidentBytes = 1
	case 2:
		opts.InitialMmapBytes = 1 // the file is mapped again as it grows
	}
	if c.s, err = store.Open(p.Path, &opts); err != nil {
		return err
	}
	switch p.Kind {
	case ofLists:
		return c.lists(begin)
	case ofNodes:
		return c.nodes(begin)
	}
	if err := c.snapshot(opOpen, -1, begin, nil); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	return c.work()
}

// work runs all clients, for ever or for the plan's length.
func (c *child) work() error {
	feeding, fed := context.WithCancel(context.Background())
	waiting, waited := context.WithCancel(context.Background())
	defer fed()
	defer waited()
	c.wait = waiting
	var feed, writing, reading sync.WaitGroup
	feed.Go(func() { c.feed(feeding) })
	for g := range groups {
		first := g * perGroup
		for n := range perGroup {
			cl := c.client(first+n, g)
			switch {
			case n < writers:
				writing.Go(cl.write)
			case n < writers+getters:
				writing.Go(cl.get)
			case n < writers+getters+lateWaiters:
				writing.Go(cl.waitLate)
			case n < writers+getters+lateWaiters+waiters:
				reading.Go(func() { cl.follow(cl.id(n - writers - getters - lateWaiters)) })
			default:
				reading.Go(func() { cl.follow(cl.all()...) })
			}
		}
	}
	writing.Go(c.client(snapshots, 0).snapshots)
	writing.Go(c.client(compactor, 0).compact)
	if c.Length == 0 {
		select {} // until it is killed
	}
	time.Sleep(c.Length)
	close(c.stop)
	writing.Wait()
	for last := c.s.LastIndex(); c.fed.Load() < last; {
		time.Sleep(time.Millisecond)
	}
	waited()
	reading.Wait()
	fed()
	feed.Wait()
	return c.end()
}

// end closes the store after all clients.
func (c *child) end() error {
	begin := c.now()
	if err := c.snapshot(opEnd, -1, begin, nil); err != nil {
		return err
	}
	return errors.Join(c.check(), c.s.Close())
}

// check has the store check itself.
func (c *child) check() error {
	for err := range c.s.Check(context.Background()) {
		return fmt.Errorf("run %d: Check: %w", c.Run, err)
	}
	return nil
}

// snapshot logs the content of a snapshot, which it holds while hold runs.
func (c *child) snapshot(op string, client int, begin int64, hold func()) error {
	sn, err := c.s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	end := c.now()
	if hold != nil {
		hold()
	}
	rows := make(map[int]string)
	for a, err := range sn.All() {
		if err != nil {
			return err
		}
		n := numberOf(a.ID)
		rows[n] = textOf(n, a)
	}
	c.log(call{Op: op, Client: client, Begin: begin, End: end, Index: sn.Index(), Rows: rows})
	return nil
}

// feed logs the feed batch by batch, from the index where the child before left off.
func (c *child) feed(ctx context.Context) {
	from := c.Min[follower]
	c.fed.Store(from)
	rows := make(map[int]string)
	for ch, err := range c.s.Changes(ctx, from) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.fatal(follower, err)
		}
		n := numberOf(ch.ID)
		if _, twice := rows[n]; twice {
			c.fatal(follower, fmt.Errorf("%s twice at %d", ch.ID, ch.Index))
		}
		rows[n] = textOf(n, ch.Alloc)
		if !ch.Last {
			continue
		}
		now := c.now()
		c.log(call{Op: opFeed, Client: follower, Begin: now, End: now, Index: ch.Index, Rows: rows})
		rows = make(map[int]string)
		c.fed.Store(ch.Index)
	}
}

// fatal logs a violation, and ends the process.
func (c *child) fatal(client int, err error) {
	now := c.now()
	c.log(call{Op: opEnd, Client: client, Begin: now, End: now, Err: err.Error()})
	fmt.Println(err)
	os.Exit(2)
}

// ended reports whether the writers must end.
func (c *child) ended() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// client returns a client of a group.
func (c *child) client(number, group int) *client {
	return &client{
		child: c, Rand: rand.New(rand.NewPCG(c.Seed+uint64(c.Run), uint64(number))), number: number, group: group, n: c.Calls[number],
	}
}
