package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"allocstore/store/raftstore"
)

// Consistencies of reads.
const (
	linearizable = raftstore.Linearizable
	byLease      = raftstore.Leader
	stale        = raftstore.Stale
)

// IDs of allocations, by their use.
const (
	registerFirst = 1 // compared and written
	registers     = 6
	poolFirst     = 100 // placed, moved, ended and deleted
	pool          = 30
	diaryFirst    = 200 // of each client that changes the pool: so each of its batches has a token
	fillerFirst   = 1000
	fillers       = 250 // large ones, so an installation takes a while

	fillerBytes = 12 << 10
	largeFiller = 160 << 10 // above the limit of some nodes
)

// Clients. Porcupine limits the number of those that work on the registers.
const (
	registerClients = 4
	changers        = 3
	fillersClients  = 1
	staleReaders    = voters
	waiters         = 3
	feeds           = voters
)

// feedLag is the largest lag of the feed. Writers wait for it: stores keep more changes than that for it.
const feedLag = 1500

// A client is one goroutine of the parent. It stays with a node for a while.
type client struct {
	*part
	*rand.Rand
	number int
	at     *machine
	n      int // calls so far

	changed uint64      // the index of its latest write
	on      *process    // that shows it, or nil
	seen    map[int]row // the rows that it read last
}

func (p *part) client(number int) *client {
	cl := &client{part: p, number: number, Rand: rand.New(rand.NewPCG(p.seed, uint64(number)+10)), seen: make(map[int]row)}
	cl.at = p.c.pick(cl.Rand)
	return cl
}

// move has the client go on at another node.
func (cl *client) move() { cl.at = cl.c.pick(cl.Rand) }

// pause sleeps for up to d.
func (cl *client) pause(d time.Duration) { time.Sleep(time.Duration(cl.Int64N(int64(d)))) }

// writes reports whether the client may write. It waits for the feed.
func (cl *client) writes() bool {
	for cl.writing.Err() == nil && cl.changed > cl.rec.reached()+feedLag {
		time.Sleep(5 * time.Millisecond)
	}
	return cl.writing.Err() == nil
}

// token returns a text for the next batch.
func (cl *client) token() string {
	cl.n++
	return fmt.Sprintf("%d.%d.%d", cl.part.number, cl.number, cl.n)
}

// writeLimit bounds one attempt of a write.
const writeLimit = 1200 * time.Millisecond

// write applies a batch. After an attempt without an effect it tries again, also on other nodes. After one whose outcome is
// unknown it does so only if the batch has a condition that fails once it is applied.
func (cl *client) write(token string, b batch) call {
	c := call{Op: opWrite, Client: cl.number, Begin: cl.rec.now(), Token: token, Batch: &b}
	unknown, shown := false, false
	var on *process
	sent := b
	for c.Attempts = 1; ; c.Attempts++ {
		c.Node, on = cl.at.number, cl.at.running()
		a := cl.at.apply(context.Background(), &sent, writeLimit)
		c.failure, c.Index, c.Unknown, c.Failed, c.Expected, c.Actual = a.failure, a.Index, a.Unknown, a.ConflictID, a.Expected, a.Actual
		shown = a.Shown
		again := false
		switch a.Kind {
		case kindOK, kindConflict, kindRefused:
		case kindNotLeader, kindDown, kindHalted, kindClosed:
			again = !unknown || b.once()
		default:
			unknown, again = true, b.once()
			if cl.c.mutant == mutantBare {
				sent.If = nil
			}
		}
		if !again || c.Attempts == 8 || cl.writing.Err() != nil {
			break
		}
		cl.move()
		cl.pause(100 * time.Millisecond)
	}
	if unknown && c.Kind != kindOK {
		c.Kind = kindUnknown // an earlier attempt may be the reason of the last answer
	}
	c.End = cl.rec.now()
	if c.Kind == kindOK {
		if cl.changed = max(cl.changed, c.Index); !shown {
			on = nil
		}
		cl.on = on
	}
	cl.rec.add(c)
	return c
}

// once reports whether the batch is refused after it was applied.
func (b *batch) once() bool {
	return slices.ContainsFunc(b.If, func(c condition) bool {
		return c.ID != 0 && slices.ContainsFunc(b.Writes, func(w write) bool { return w.ID == c.ID && w.Kind == kindEvent })
	})
}

// read reads an allocation.
func (cl *client) read(op string, q readQuery) call {
	if q.Milli == 0 {
		q.Milli = 1500
	}
	c := call{Op: op, Client: cl.number, Node: cl.at.number, Begin: cl.rec.now(), ID: q.ID, Min: q.Min}
	process, before := cl.at.running(), cl.at.shown()
	a := cl.at.read(context.Background(), &q)
	if a.Kind == kindOK && !cl.at.saw(process, a.Last) && a.Last < before {
		cl.rec.fault("node %s shows index %d, and has shown %d before", cl.at.id, a.Last, before)
	}
	c.End, c.failure, c.Index, c.Applied, c.Row = cl.rec.now(), a.failure, a.Last, a.Applied, a.Row
	switch {
	case op != opOwn:
	case q.Min == 0 && cl.on != cl.at.running():
		c.Op = opStale // another process, which may have an empty directory
	default:
		c.Min = cl.changed
	}
	if c.Kind == kindOK {
		cl.seen[q.ID] = c.Row
	}
	cl.rec.add(c)
	return c
}

// registers compares and writes registers, and reads them.
func (cl *client) registers() {
	for cl.writes() {
		id := registerFirst + cl.IntN(registers)
		switch k := cl.IntN(20); {
		case k < 9:
			cl.read(opRead, readQuery{ID: id, Fresh: true, Consistency: linearizable})
		case k < 10:
			cl.read(opLease, readQuery{ID: id, Fresh: true, Consistency: byLease})
		case k < 18 && cl.seen[id].Modify > 0:
			cl.compareAndWrite(id)
		default:
			token := cl.token()
			cl.write(token, batch{Writes: []write{{Kind: kindEvent, ID: id, Token: token}}})
		}
		if cl.IntN(10) == 0 {
			cl.move()
		}
		cl.pause(30 * time.Millisecond)
	}
}

// compareAndWrite writes a register if it is as this client saw it last.
func (cl *client) compareAndWrite(id int) {
	token := cl.token()
	c := cl.write(token, batch{Writes: []write{{Kind: kindEvent, ID: id, Token: token}}, If: []condition{{ID: id, Index: cl.seen[id].Modify}}})
	switch {
	case c.Kind == kindOK && cl.IntN(2) == 0:
		cl.readOwn(id)
	case c.Kind != kindOK:
		cl.read(opRead, readQuery{ID: id, Fresh: true, Consistency: linearizable})
	}
}

// readOwn reads the allocation that it has just written, here or on another node.
func (cl *client) readOwn(id int) {
	q := readQuery{ID: id}
	if cl.IntN(2) == 0 || cl.on == nil || cl.on != cl.at.running() {
		cl.move()
		q.Min = cl.changed
	}
	cl.read(opOwn, q)
}

// changes applies batches of a few writes to the pool, with and without conditions.
func (cl *client) changes() {
	diary := diaryFirst + cl.number
	for cl.writes() {
		token := cl.token()
		b := batch{Writes: []write{{Kind: kindStatus, ID: diary, Status: "running", Token: token}}}
		for k := range 1 + cl.IntN(3) {
			b.Writes = append(b.Writes, cl.change(fmt.Sprint(token, ".", k)))
		}
		id := b.Writes[1].ID
		switch was, known := cl.seen[id]; {
		case cl.IntN(4) == 0:
			b.If = append(b.If, condition{List: cl.IntN(len(someLists)), Index: max(cl.changed, 1)})
		case known && cl.IntN(2) == 0:
			c := condition{ID: id, Index: was.Modify}
			if was.Absent {
				c.Index = 0
			}
			b.If = append(b.If, c)
		}
		c := cl.write(token, b)
		if c.Kind == kindOK && len(c.Unknown) == 0 && cl.IntN(3) == 0 || cl.IntN(4) == 0 {
			cl.readOwn(id)
		}
		if cl.IntN(10) == 0 {
			cl.move()
		}
		cl.pause(40 * time.Millisecond)
	}
}

// change returns a random write.
func (cl *client) change(token string) write {
	w := write{ID: poolFirst + cl.IntN(pool), Token: token}
	switch cl.IntN(16) {
	case 0, 1, 2, 3, 4:
		w.Kind, w.Node, w.Job = kindUpsert, nodeNames[cl.IntN(len(nodeNames))], jobNames[cl.IntN(len(jobNames))]
		if other := poolFirst + cl.IntN(pool); other != w.ID && cl.IntN(3) == 0 {
			w.Previous = other
		}
		if cl.IntN(30) == 0 {
			w.Filler = largeFiller
		}
	case 5, 6:
		w.Kind, w.Status = kindStatus, []string{"complete", "failed", "lost"}[cl.IntN(3)]
	case 7, 8:
		w.Kind, w.Status = kindStatus, "running"
	case 9, 10:
		w.Kind, w.Status = kindDesired, []string{"run", "run", "stop"}[cl.IntN(3)]
	case 11:
		w.Kind, w.Status = kindClient, []string{"running", "complete"}[cl.IntN(2)]
	case 12, 13:
		w.Kind = kindEvent
	default:
		w.Kind, w.Token = kindDelete, ""
	}
	return w
}

// fill writes large allocations.
func (cl *client) fill() {
	for cl.writes() {
		token := cl.token()
		cl.write(token, batch{Writes: []write{cl.filler(fillerFirst+cl.IntN(fillers), token)}})
		if cl.IntN(10) == 0 {
			cl.move()
		}
		cl.pause(40 * time.Millisecond)
	}
}

func (cl *client) filler(id int, token string) write {
	return write{Kind: kindUpsert, ID: id, Token: token, Node: "fillers", Job: "fillers", Filler: fillerBytes/2 + cl.IntN(fillerBytes)}
}

// readStale reads one node without asking any other.
func (cl *client) readStale(m *machine) {
	for cl.writing.Err() == nil {
		if cl.at = m; m.running() == nil {
			cl.move()
		}
		cl.read(opStale, readQuery{ID: []int{registerFirst + cl.IntN(registers), poolFirst + cl.IntN(pool)}[cl.IntN(2)], Fresh: true, Consistency: stale})
		cl.pause(30 * time.Millisecond)
	}
}
