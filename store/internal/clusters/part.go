package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A part is a stretch of a run: clients work and faults happen, then all is healed, and the part's history is checked. Parts
// bound the history that is kept, and that porcupine searches.
type part struct {
	c       *cluster
	number  int
	seed    uint64
	base    uint64      // the index at which the part begins
	rows    map[int]row // the content then
	rec     *recorder
	content *contentAnswer // at the end

	writing, reading context.Context
	end              atomic.Uint64 // set once nothing is written any more, and all nodes show it: the last index
	skipped          atomic.Int64  // gaps in feeds that compaction has made
}

func (p *part) settled() uint64 { return p.end.Load() }

// run runs the part: length is that of its faults. It returns the content at its end.
func (p *part) run(ctx context.Context, length time.Duration, n *nemesis) (*contentAnswer, error) {
	writing, stopWriting := context.WithCancel(ctx)
	reading, stopReading := context.WithCancel(ctx)
	defer stopWriting()
	defer stopReading()
	p.writing, p.reading = writing, reading
	var writers, readers sync.WaitGroup
	p.startWriters(&writers)
	p.startReaders(&readers)
	p.faults(ctx, length, n)
	err := n.heal(ctx)
	time.Sleep(min(length/8, time.Second)) // some work without faults
	stopWriting()
	writers.Wait()
	var last *contentAnswer
	if err == nil {
		last, err = p.settle(ctx)
	}
	if err == nil {
		p.end.Store(last.Index)
		ended := make(chan struct{})
		go func() { readers.Wait(); close(ended) }()
		if !until(ended, patience) {
			err = fmt.Errorf("within %v not all readers were told of the changes up to %d", patience, last.Index)
		}
	}
	stopReading()
	readers.Wait()
	return last, err
}

func (p *part) startWriters(g *sync.WaitGroup) {
	number := 0
	client := func() *client { number++; return p.client(number - 1) }
	for range registerClients {
		g.Go(client().registers)
	}
	for range changers {
		g.Go(client().changes)
	}
	for range fillersClients {
		g.Go(client().fill)
	}
	for n := range staleReaders {
		cl := client()
		g.Go(func() { cl.readStale(p.c.machines[n]) })
	}
}

// firstReader is the number of the first client that only reads.
const firstReader = 100

func (p *part) startReaders(g *sync.WaitGroup) {
	number := firstReader
	client := func() *client { number++; return p.client(number - 1) }
	for n := range waiters {
		cl := client()
		ids := []int{registerFirst + n}
		if n > 0 {
			ids = []int{poolFirst + n, poolFirst + n + 1, poolFirst + n + 2, registerFirst + n}[:2*n]
		}
		g.Go(func() { cl.wait(ids) })
	}
	for n := range someLists {
		waits, follows := client(), client()
		g.Go(func() { waits.waitForList(n) })
		g.Go(func() { follows.follow(n) })
	}
	for n := range feeds {
		cl := client()
		g.Go(func() { cl.feed(p.c.machines[n]) })
	}
}

// faults has two sequences of faults at the same time: those around the nodes, and those that an operator must mend.
func (p *part) faults(ctx context.Context, length time.Duration, n *nemesis) {
	ctx, stop := context.WithTimeout(ctx, length)
	defer stop()
	var g sync.WaitGroup
	g.Go(func() { n.disturb(ctx) })
	g.Go(func() { n.operate(ctx) })
	g.Wait()
}

// settle waits until all members show the same, checks each, and compares their contents byte by byte.
func (p *part) settle(ctx context.Context) (*contentAnswer, error) {
	leads, err := p.c.leader(ctx)
	if err != nil {
		return nil, err
	}
	at := leads.status(ctx).Applied
	var first *contentAnswer
	for _, m := range p.c.members() {
		r := m.read(ctx, &readQuery{ID: registerFirst, Min: at, Milli: int(patience.Milliseconds())})
		if r.Kind != kindOK {
			m.dump()
			return nil, fmt.Errorf("node %s does not show index %d within %v: %s; the stacks of its goroutines are in %s", m.id, at, patience, r.Error, m.logPath)
		}
		a := m.content(ctx)
		if a.Kind != kindOK {
			return nil, fmt.Errorf("the content of node %s: %s", m.id, a.Error)
		}
		if f := m.do(ctx, &doQuery{What: "check", Milli: int(patience.Milliseconds())}); f.Kind != kindOK {
			p.rec.fault("Check of node %s: %s", m.id, f.Error)
		}
		if first == nil {
			first = &a
			continue
		}
		if a.Index != first.Index || a.Digest != first.Digest || a.Sum != first.Sum {
			p.rec.fault("node %s has index %d, digest %x and content %s, and node %s %d, %x and %s",
				m.id, a.Index, a.Digest, a.Sum, p.c.members()[0].id, first.Index, first.Digest, first.Sum)
		}
	}
	return first, nil
}
