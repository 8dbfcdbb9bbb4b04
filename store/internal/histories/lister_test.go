package histories

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// Clients of the history of lists. Each list has one reader, in the order of someLists.
const (
	listWriters = 3
	listLate    = 2 // wait with any index, also 0
	listAllocs  = 12

	firstReader   = listWriters + listLate
	firstFollower = 100
	listFeed      = 200
	listCompactor = listFeed + 1
)

// followed are the lists with a follower.
var followed = []int{0, 1, 2, 3, 7, 13, 16, 19}

// Writers of lists wait for the feed too, and compaction keeps little.
const (
	listLag       = 40
	listRetention = 300
)

// lists is the work of a child in the history of lists.
func (c *child) lists(begin int64) error {
	if err := c.members(opOpen, begin, someLists); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	feeding, fed := context.WithCancel(context.Background())
	waiting, waited := context.WithCancel(context.Background())
	defer fed()
	defer waited()
	c.wait, c.told = waiting, make([]atomic.Uint64, len(followed))
	var feed, writing, reading sync.WaitGroup
	feed.Go(func() { c.feedMembers(feeding, listFeed) })
	for n := range listWriters {
		writing.Go(c.client(n, 0).changeLists)
	}
	for n := range listLate {
		writing.Go(c.client(listWriters+n, 0).waitListsLate)
	}
	writing.Go(c.client(listCompactor, 0).compact)
	for n := range someLists {
		reading.Go(func() { c.client(firstReader+n, 0).readList(n) })
	}
	for n := range followed {
		reading.Go(func() { c.client(firstFollower+n, 0).followList(n) })
	}
	if c.Length == 0 {
		select {} // until it is killed
	}
	time.Sleep(c.Length)
	close(c.stop)
	writing.Wait()
	c.settle()
	waited()
	reading.Wait()
	fed()
	feed.Wait()
	return errors.Join(c.members(opEnd, c.now(), someLists), c.check(), c.s.Close())
}

// settle waits until the feed and the followers have been told everything, or for a long time.
func (c *child) settle() {
	for last := c.s.LastIndex(); c.fed.Load() < last; {
		time.Sleep(time.Millisecond)
	}
	for n, l := range followed {
		for began := time.Now(); time.Since(began) < patience/4; time.Sleep(time.Millisecond) {
			// The floor does not pass the position of a follower.
			opts := store.QueryOptions{MinQueryIndex: max(c.told[n].Load(), c.s.Stats().Floor, 1), MaxQueryTime: 1}
			if r, err := c.s.WaitList(context.Background(), someLists[l].Selector, opts); err == nil && r.Outcome == store.TimedOut {
				break
			}
		}
	}
	time.Sleep(50 * time.Millisecond) // the other changes of a follower's last batch
}

// members logs the lists as they are on a snapshot. The first line has the operation op and all
// allocations.
func (c *child) members(op string, begin int64, of []list) error {
	sn, err := c.s.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	line := call{Op: op, Client: -1, Begin: begin, End: c.now(), Index: sn.Index()}
	if line.Members, err = c.list(sn, store.Everything()); err != nil {
		return err
	}
	c.log(line)
	for n, l := range of {
		line.Op, line.List = opMembers, n
		if line.Members, err = c.list(sn, l.Selector); err != nil {
			return err
		}
		c.log(line)
	}
	return nil
}

// list returns a list on a snapshot.
func (c *child) list(sn *store.Snapshot, sel store.Selector) (all []member, err error) {
	for a, err := range sn.List(sel) {
		if err != nil {
			return nil, err
		}
		all = append(all, memberOf(a.ID, a))
	}
	if n, err := sn.Len(sel); err != nil || n != len(all) {
		return nil, fmt.Errorf("Len of %v is %d, %w, and List has %d", sel, n, err, len(all))
	}
	return all, nil
}

// feedMembers logs the feed batch by batch, as feed does.
func (c *child) feedMembers(ctx context.Context, number int) {
	from := c.Min[number]
	c.fed.Store(from)
	var batch []member
	for ch, err := range c.s.Changes(ctx, from) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.fatal(number, err)
		}
		if batch = append(batch, memberOf(ch.ID, ch.Alloc)); !ch.Last {
			continue
		}
		now := c.now()
		c.log(call{Op: opFeed, Client: number, Begin: now, End: now, Index: ch.Index, Members: batch})
		batch = nil
		c.fed.Store(ch.Index)
	}
}

// changeLists applies batches of a few writes, which may have an allocation twice.
func (cl *client) changeLists() {
	for !cl.ended() {
		if cl.s.LastIndex() > cl.fed.Load()+listLag {
			time.Sleep(time.Millisecond)
			continue
		}
		c := cl.begin(opWrite)
		var b store.Batch
		for k := range 1 + cl.IntN(3) {
			w := write{ID: cl.IntN(listAllocs), Token: fmt.Sprintf("%d.%d.%d", cl.number, cl.n, k)}
			cl.addToList(&b, &w)
			c.Writes = append(c.Writes, w)
		}
		cl.apply(c, &b)
		time.Sleep(cl.below(3 * time.Millisecond))
	}
}

// addToList adds a write of a random kind to the batch.
func (cl *client) addToList(b *store.Batch, w *write) {
	id := idOf(w.ID)
	switch cl.IntN(16) {
	case 0, 1, 2, 3:
		w.Kind = kindUpsert
		a := schema.Allocation{ID: id, Name: w.Token, NodeID: listNodes[cl.IntN(len(listNodes))], EvalID: "eval", ClientStatus: "pending", DesiredStatus: "run"}
		a.JobID = listJobs[cl.IntN(len(listJobs))]
		a.Job = &schema.Job{ID: a.JobID}
		if other := cl.IntN(listAllocs); other != w.ID && cl.IntN(3) == 0 {
			a.PreviousAllocation = idOf(other)
		}
		b.Upsert(&a)
	case 4, 5:
		w.Kind = kindStatus
		b.SetClientStatus(id, []string{"complete", "failed", "lost"}[cl.IntN(3)], w.Token)
	case 6, 7, 8:
		w.Kind = kindStatus
		b.SetClientStatus(id, "running", w.Token)
	case 9, 10:
		w.Kind = kindDesired
		b.SetDesiredStatus(id, []string{"run", "run", "stop"}[cl.IntN(3)], w.Token)
	case 11:
		w.Kind = kindClient
		b.UpdateFromClient(&schema.Allocation{ID: id, ClientStatus: []string{"running", "complete"}[cl.IntN(2)], ClientDescription: w.Token})
	case 12, 13:
		w.Kind = kindEvent
		b.AppendTaskEvent(id, task, "", schema.TaskEvent{Type: schema.TaskStarted, Time: int64(cl.n), Message: w.Token})
	default:
		w.Kind, w.Token = kindDelete, ""
		b.Delete(id)
	}
}

// readList waits for one change of a list after the other, each time above the last index
// returned. When the child ends it goes on with short waits, until one times out.
func (cl *client) readList(n int) {
	opts := store.QueryOptions{MinQueryIndex: cl.Min[cl.number]}
	for {
		ctx, last := cl.wait, cl.wait.Err() != nil
		if opts.MaxQueryTime = time.Minute; last || cl.IntN(8) == 0 {
			opts.MaxQueryTime = cl.below(3*time.Millisecond) + 1
		}
		if last {
			ctx = context.Background()
		}
		r, ok := cl.waitList(ctx, call{List: n}, opts)
		if !ok {
			continue // the child ends
		}
		opts.MinQueryIndex = r.Index
		if last && r.Outcome == store.TimedOut {
			return
		}
		if cl.IntN(20) == 0 {
			time.Sleep(cl.below(30 * time.Millisecond)) // changes gather
		}
	}
}

// waitListsLate waits with indexes that are long past, or yet to come, or 0.
func (cl *client) waitListsLate() {
	for !cl.ended() {
		last := cl.s.LastIndex()
		opts := store.QueryOptions{MinQueryIndex: last + 3 - cl.Uint64N(min(last+3, 2*listRetention)), MaxQueryTime: cl.below(2*time.Millisecond) + 1}
		if cl.IntN(3) == 0 {
			opts.MinQueryIndex = 0
		}
		cl.waitList(context.Background(), call{List: cl.IntN(len(someLists)), Late: true}, opts)
		time.Sleep(cl.below(2 * time.Millisecond))
	}
}

// waitList makes one wait for about's list. ok is false if ctx ended the wait.
func (cl *client) waitList(ctx context.Context, about call, opts store.QueryOptions) (r store.ListResult, ok bool) {
	c := cl.begin(opList)
	c.List, c.Late, c.Min, c.Limit = about.List, about.Late, opts.MinQueryIndex, int64(opts.MaxQueryTime)
	cl.flight(c)
	r, err := cl.s.WaitList(ctx, someLists[c.List].Selector, opts)
	c.End = cl.now()
	if err != nil && ctx.Err() != nil {
		return r, false
	}
	if err != nil {
		cl.fatal(cl.number, err)
	}
	c.Index, c.Outcome, c.Full, c.Members = r.Index, r.Outcome.String(), r.Full, membersOf(r.Changed)
	for _, d := range r.Gone {
		c.Gone = append(c.Gone, departureOf(d))
	}
	cl.log(c)
	return r, true
}

// followList follows a list until the child ends. Now and then it stops, and resumes as after a
// kill.
func (cl *client) followList(n int) {
	list := followed[n]
	for after := cl.Min[cl.number]; cl.wait.Err() == nil; {
		c := cl.begin(opResume)
		c.List, c.Index, c.End = list, after, c.Begin
		cl.log(c)
		was := after
		err := cl.followFrom(n, &after)
		if errors.Is(err, store.ErrCompacted) {
			c = cl.begin(opResume)
			c.List, c.Index, c.End, c.Outcome = list, was, c.Begin, compacted
			cl.log(c)
			after = 0
		} else if err != nil && cl.wait.Err() == nil {
			cl.fatal(cl.number, err)
		}
	}
}

// followFrom follows a list above the index after, and notes there where to go on.
func (cl *client) followFrom(n int, after *uint64) error {
	whole := *after // the index up to which all changes have been told
	newest, complete := whole, whole > 0
	for ch, err := range cl.s.Follow(cl.wait, someLists[followed[n]].Selector, *after) {
		if err != nil {
			return err
		}
		c := cl.begin(opFollow)
		c.List, c.Index, c.Full = followed[n], ch.Index, ch.Complete
		if ch.Alloc != nil {
			c.Members = membersOf([]*schema.Allocation{ch.Alloc})
		}
		if ch.Gone != nil {
			c.Gone = append(c.Gone, departureOf(*ch.Gone))
		}
		switch {
		case ch.Complete:
			complete, whole, newest = true, ch.Index, ch.Index
		case complete && ch.Index > newest:
			whole, newest = newest, ch.Index
		}
		if *after = whole; complete && !ch.Complete && cl.IntN(2) == 0 {
			*after = newest - 1
		}
		c.End, c.Min = c.Begin, *after
		cl.log(c)
		cl.told[n].Store(newest)
		if cl.IntN(300) == 0 {
			return nil
		}
	}
	return nil
}
