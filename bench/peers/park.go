package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"allocstore/schema"
)

// parker lets readers block until one allocation changes.
type parker interface {
	// wait blocks until the allocation changes or ctx ends. It calls armed,
	// unless that is nil, when it will not miss a change that comes after.
	wait(ctx context.Context, id string, armed func()) error

	// waiters is how many are blocked.
	waiters() int

	// touch changes the allocation.
	touch(*schema.Allocation) error
}

// wakes is how many readers are woken, one at a time.
const wakes = 1000

// park blocks a reader on every allocation, measures what that takes, and wakes
// some of them, each by a write to its allocation.
func (b *bench) park() error {
	peers := b.parkers("park")
	if len(peers) == 0 {
		return nil
	}
	b.descriptor = descriptors(b.data.n)
	for _, p := range peers {
		store, err := p.open()
		if err == nil {
			err = b.parkAll(p.name, store)
		}
		if err != nil {
			return fmt.Errorf("park/%s: %w", p.name, err)
		}
	}
	return nil
}

// namedParker is a peer that can wait, opened and filled when it is needed.
type namedParker struct {
	name string
	open func() (parker, error)
}

// parkers returns the peers that this work is wanted with.
func (b *bench) parkers(work string) (peers []namedParker) {
	for _, p := range []namedParker{{ours, b.ourParker}, {"go-memdb", b.memdbParker}, {"statedb", b.statedbParker}} {
		if b.wants(work, p.name) {
			peers = append(peers, p)
		}
	}
	return peers
}

func (b *bench) ourParker() (parker, error) {
	d, err := b.stores.ours.store()
	if err != nil {
		return nil, err
	}
	return d.(*ourStore), nil
}

func (b *bench) memdbParker() (parker, error) {
	m, err := newMemdb()
	if err != nil {
		return nil, err
	}
	return m, b.data.eachOwned(m.insert)
}

func (b *bench) statedbParker() (parker, error) {
	s, err := newStatedb()
	if err != nil {
		return nil, err
	}
	return s, b.data.eachOwned(s.insert)
}

// descriptors starts and ends n goroutines, and returns the bytes of each that the
// runtime keeps for good, to use them for later goroutines. They are part of what
// a blocked reader takes, but only the first n goroutines would show them.
func descriptors(n int) float64 {
	before, _ := inUse()
	over := make(chan struct{})
	var left sync.WaitGroup
	for range n {
		left.Go(func() { <-over })
	}
	close(over)
	left.Wait()
	after, _ := inUse()
	return float64(int64(after-before)) / float64(n)
}

// lot is where readers are parked.
type lot struct {
	p     parker
	d     *data
	awake chan wake
	left  sync.WaitGroup
	early atomic.Int64 // woken by nobody, or with an error
}

// wake is a reader of allocation i that woke up.
type wake struct {
	i  int
	at time.Time
}

func (b *bench) parkAll(peer string, p parker) error {
	heapBefore, stacksBefore := inUse()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &lot{p: p, d: b.data, awake: make(chan wake, 16)}
	for i := range b.data.n {
		l.left.Go(func() { l.reader(ctx, i) })
	}
	for p.waiters() < b.data.n {
		time.Sleep(time.Millisecond)
	}
	heap, stacks := inUse()
	each := func(now, before uint64) float64 { return float64(int64(now-before)) / float64(b.data.n) }
	b.keepBytes("park/bytes each", peer, b.descriptor+each(heap+stacks, heapBefore+stacksBefore))
	b.keepBytes("park/of it stacks", peer, each(stacks, stacksBefore))
	err := b.wakeSome(peer, l)
	cancel()
	l.left.Wait()
	runtime.KeepAlive(p)
	return err
}

// reader waits once, and tells when it is awake unless ctx ended it.
func (l *lot) reader(ctx context.Context, i int) {
	err := l.p.wait(ctx, l.d.ids[i], nil)
	at := time.Now()
	switch {
	case err == nil:
		l.awake <- wake{i, at}
	case !errors.Is(err, context.Canceled):
		l.early.Add(1)
	}
}

// next returns the next reader that woke up.
func (l *lot) next() (wake, error) {
	const patience = 10 * time.Second
	select {
	case w := <-l.awake:
		return w, nil
	case <-time.After(patience):
		return wake{}, fmt.Errorf("nobody woke within %v of a write", patience)
	}
}

// wakeSome measures from the call of the write, and from its answer.
func (b *bench) wakeSome(peer string, l *lot) error {
	fromCall, fromAnswer := newHistogram(), newHistogram()
	for _, i := range rand.New(rand.NewPCG(seed, 2)).Perm(l.d.n)[:min(wakes, l.d.n)] {
		start := time.Now()
		if err := l.p.touch(clientUpdate(l.d.ids[i], nextStamp(), updateEvents)); err != nil {
			return err
		}
		answer := time.Now()
		w, err := l.next()
		if err != nil {
			return err
		}
		if w.i != i {
			return fmt.Errorf("a write to %s woke the reader of %s", l.d.ids[i], l.d.ids[w.i])
		}
		if err := errors.Join(record(fromCall, w.at.Sub(start)), record(fromAnswer, max(w.at.Sub(answer), 1))); err != nil {
			return err
		}
	}
	if n := len(l.awake); n > 0 || l.early.Load() > 0 {
		return fmt.Errorf("%d readers woke without a write, %d with an error", n, l.early.Load())
	}
	b.keepLatency("park/write to awake", peer, fromCall)
	b.keepLatency("park/answer to awake", peer, fromAnswer)
	return nil
}

func record(h *hdrhistogram.Histogram, d time.Duration) error { return h.RecordValue(int64(d)) }

// keepLatency adds the quantiles of h to the results.
func (b *bench) keepLatency(work, peer string, h *hdrhistogram.Histogram) {
	s := summary([]*hdrhistogram.Histogram{h})
	b.results = append(b.results, result{Work: work, Peer: peer, P50: s.p50, P99: s.p99})
}
