package main

import (
	"context"
	"time"

	"allocstore/store"
)

// wait waits for changes of some allocations, on any node, each time above the index that it was told last. It ends when the
// part has settled and nothing above its last index has changed.
func (cl *client) wait(ids []int) {
	min := cl.base
	for {
		settled := cl.settled()
		q := waitQuery{IDs: ids, Min: min, Milli: 300 + cl.IntN(2000)}
		if settled > 0 {
			q.Milli = 50
		}
		c := call{Op: opWait, Client: cl.number, Node: cl.at.number, Begin: cl.rec.now(), IDs: ids, Min: min}
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		a := cl.at.wait(ctx, &q)
		cancel()
		c.End, c.failure, c.Outcome, c.Index, c.ID, c.Row, c.More = cl.rec.now(), a.failure, a.Outcome, a.Index, a.ID, a.Row, a.More
		if a.Kind == kindOK {
			cl.rec.add(c)
			min = a.Index
		}
		if cl.rest(a.Kind, settled, a.Kind == kindOK && a.Outcome == store.TimedOut.String()) {
			return
		}
	}
}

// rest moves to another node at times, or after an error. It reports whether a reader has been told everything.
func (cl *client) rest(kind string, settled uint64, timedOut bool) bool {
	if cl.reading.Err() != nil || settled > 0 && timedOut {
		return true
	}
	if kind != kindOK {
		time.Sleep(20 * time.Millisecond)
	}
	if kind != kindOK || cl.IntN(12) == 0 {
		cl.move()
	}
	return false
}

// waitForList waits for changes of a list, as wait does.
func (cl *client) waitForList(n int) {
	min := cl.base // the content then is known
	for {
		settled := cl.settled()
		q := listQuery{List: n, Min: min, Milli: 300 + cl.IntN(2000)}
		if settled > 0 {
			q.Milli = 50
		}
		c := call{Op: opList, Client: cl.number, Node: cl.at.number, Begin: cl.rec.now(), List: n, Min: min}
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		a := cl.at.list(ctx, &q)
		cancel()
		c.End, c.failure, c.Outcome, c.Index, c.Full, c.Changed, c.Gone = cl.rec.now(), a.failure, a.Outcome, a.Index, a.Full, a.Changed, a.Gone
		if a.Kind == kindOK {
			cl.rec.add(c)
			min = a.Index
		}
		if cl.rest(a.Kind, settled, a.Kind == kindOK && a.Outcome == store.TimedOut.String()) {
			return
		}
	}
}

// streamTime bounds the time for which a stream stays with a node.
const streamTime = 5 * time.Second

// feed reads the feed, batch by batch, on one node where possible, and resumes on the same or on another one.
func (cl *client) feed(m *machine) {
	after := cl.base
	for !cl.told(after) {
		if cl.at = m; m.running() == nil || cl.IntN(3) == 0 {
			cl.move()
		}
		at := cl.at
		ctx, cancel := context.WithTimeout(cl.reading, 500*time.Millisecond+time.Duration(cl.Int64N(int64(streamTime))))
		end := failure{Kind: kindOK}
		_ = stream(ctx, at, "/feed", &streamQuery{After: after}, func(line *feedLine) bool {
			if end = line.failure; end.Kind != kindOK {
				return false
			}
			if line.Index <= after {
				cl.rec.fault("the feed of node %s after %d gives %d: %v", at.id, after, line.Index, line.Rows)
			}
			cl.rec.batch(at, line.Index, line.Rows)
			cl.rec.add(call{Op: opResume, Client: cl.number, Node: at.number, Min: after, Index: line.Index, End: cl.rec.now()})
			after = line.Index
			return !cl.told(after)
		})
		cancel()
		if end.Kind == kindCompacted {
			after = cl.compacted(at, after)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// told reports whether a stream may end.
func (cl *client) told(after uint64) bool {
	settled := cl.settled()
	return cl.reading.Err() != nil || settled > 0 && after >= settled
}

// keptEntries is the least number of entries below the applied index that all nodes keep for readers.
const keptEntries = 4096

// compacted is called when a node has forgotten the changes after an index. That is a fault if there are not many of them.
func (cl *client) compacted(m *machine, after uint64) uint64 {
	a := m.status(cl.reading)
	if a.Kind == kindOK && a.Last < after+keptEntries/2 {
		cl.rec.fault("node %s at %d has forgotten the changes after %d", m.id, a.Last, after)
	}
	cl.skipped.Add(1)
	return max(after, cl.rec.reached())
}

// follow follows a list. A batch may have several changes: it is complete when the next one begins.
func (cl *client) follow(n int) {
	f := follower{after: cl.base}
	for !cl.told(f.last()) {
		at := cl.at
		ctx, cancel := context.WithTimeout(cl.reading, 500*time.Millisecond+time.Duration(cl.Int64N(int64(streamTime))))
		if cl.settled() > 0 {
			cancel()
			ctx, cancel = context.WithTimeout(cl.reading, time.Second) // the rest, and then nothing comes
		}
		end, settled := failure{Kind: kindOK}, cl.settled()
		f.pending = nil
		err := stream(ctx, at, "/follow", &streamQuery{List: n, After: f.after}, func(line *followLine) bool {
			if end = line.failure; end.Kind != kindOK {
				return false
			}
			cl.given(f.add(line), at, n)
			return true
		})
		quiet := settled > 0 && end.Kind == kindOK && err != nil && ctx.Err() == context.DeadlineExceeded
		cancel()
		if quiet {
			cl.given(f.flush(), at, n)
			return
		}
		if end.Kind == kindCompacted {
			cl.skipped.Add(1)
			cl.rec.add(call{Op: opFollow, Client: cl.number, Node: at.number, List: n, Outcome: kindCompacted, End: cl.rec.now()})
			return
		}
		cl.move()
		time.Sleep(10 * time.Millisecond)
	}
}

// given notes a batch of a stream, if there is one.
func (cl *client) given(c *call, m *machine, n int) {
	if c != nil {
		c.Op, c.Client, c.Node, c.List, c.End = opFollow, cl.number, m.number, n, cl.rec.now()
		cl.rec.add(*c)
	}
}

// A follower gathers the lines of a stream of a list by their index.
type follower struct {
	after   uint64 // the index of the last complete batch
	pending *call
}

func (f *follower) last() uint64 { return f.after }

// add adds a line, and returns the batch before it when it is complete.
func (f *follower) add(line *followLine) (done *call) {
	if f.pending != nil && line.Index != f.pending.Index {
		done = f.flush()
	}
	if f.pending == nil {
		f.pending = &call{Min: f.after, Index: line.Index, failure: line.failure}
	}
	if line.Row != nil {
		f.pending.Changed = append(f.pending.Changed, *line.Row)
	}
	if line.Gone != nil {
		f.pending.Gone = append(f.pending.Gone, *line.Gone)
	}
	return done
}

// flush returns the pending batch as complete.
func (f *follower) flush() *call {
	done := f.pending
	if f.pending = nil; done != nil {
		f.after = done.Index
	}
	return done
}
