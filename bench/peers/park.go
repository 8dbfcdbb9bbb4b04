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

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
)

// parker blocks readers until an allocation changes.
type parker interface {
	// wait blocks until the allocation changes or ctx ends. If armed is not nil, wait
	// calls it once any later change is sure to end the wait.
	wait(ctx context.Context, id string, armed func()) error

	// waiters returns the number of blocked readers.
	waiters() int

	// touch changes the allocation.
	touch(*schema.Allocation) error
}

// wakes is the number of readers woken one at a time.
const wakes = 1000

// park blocks a reader on every allocation, measures the memory of one, and wakes some
// of them by a write each.
func (b *bench) park() error {
	peers := b.parkers("park")
	if len(peers) == 0 {
		return nil
	}
	b.descriptor = machine.DescriptorBytes(b.data.n)
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

// namedParker is a peer with waits, opened and filled on demand.
type namedParker struct {
	name string
	open func() (parker, error)
}

// parkers returns the peers that the flags ask for.
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
	return m, b.data.eachCopy(m.insert)
}

func (b *bench) statedbParker() (parker, error) {
	s, err := newStatedb()
	if err != nil {
		return nil, err
	}
	return s, b.data.eachCopy(s.insert)
}

// lot is a set of parked readers.
type lot struct {
	p     parker
	d     *data
	awake chan wake
	left  sync.WaitGroup
	woken atomic.Int64 // readers that woke for any reason
}

// wake is a reader of allocation i that woke.
type wake struct {
	i  int
	at time.Time
}

func (b *bench) parkAll(peer string, p parker) error {
	heapBefore, stacksBefore := machine.InUse()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &lot{p: p, d: b.data, awake: make(chan wake, 16)}
	for i := range b.data.n {
		l.left.Go(func() { l.reader(ctx, i) })
	}
	if err := parked(p, b.data.n); err != nil {
		return err
	}
	heap, stacks := machine.InUse()
	each := func(bytes int64) float64 { return float64(bytes) / float64(b.data.n) }
	b.keepBytes("park/bytes each", peer, b.descriptor+each(heap+stacks-heapBefore-stacksBefore))
	b.keepBytes("park/of it stacks", peer, each(stacks-stacksBefore))
	err := b.wakeSome(peer, l)
	cancel()
	l.left.Wait()
	runtime.KeepAlive(p)
	return err
}

// parked waits until n readers are blocked.
func parked(p parker, n int) error {
	if seen, ok := program.Await(n, program.Patience, p.waiters); !ok {
		return fmt.Errorf("%d of %d readers are parked, and no more for %v", seen, n, program.Patience)
	}
	return nil
}

// reader waits once, and reports that it is awake unless ctx ended it.
func (l *lot) reader(ctx context.Context, i int) {
	if err := l.p.wait(ctx, l.d.ids[i], nil); !errors.Is(err, context.Canceled) {
		l.reportAwake(ctx, i)
	}
}

// reportAwake reports that the reader of allocation i is awake. It is a separate
// function to keep the stack of a blocked reader small.
//
//go:noinline
func (l *lot) reportAwake(ctx context.Context, i int) {
	at := time.Now()
	l.woken.Add(1)
	select {
	case l.awake <- wake{i, at}:
	case <-ctx.Done():
	}
}

// next returns the time at which the reader of allocation i woke.
func (l *lot) next(i int) (time.Time, error) {
	for over := time.After(program.Patience); ; {
		select {
		case w := <-l.awake:
			if w.i == i {
				return w.at, nil
			}
		case <-over:
			return time.Time{}, fmt.Errorf("the reader of %s did not wake within %v of a write", l.d.ids[i], program.Patience)
		}
	}
}

// wakeSome measures wakes from the call of the write and from its answer. Then it
// writes to the same allocations again, which no longer have readers, and counts
// spurious wakes.
func (b *bench) wakeSome(peer string, l *lot) error {
	var times wakeTimes
	written := rand.New(rand.NewPCG(seed, 2)).Perm(l.d.n)[:min(wakes, l.d.n)]
	for _, i := range written {
		start := time.Now()
		if err := l.touch(i); err != nil {
			return err
		}
		answer := time.Now()
		at, err := l.next(i)
		if err != nil {
			return err
		}
		times.record(start, answer, at)
	}
	for _, i := range written {
		if err := l.touch(i); err != nil {
			return err
		}
	}
	time.Sleep(settling)
	b.keepLatency("park/write to awake", peer, &times.fromCall)
	b.keepLatency("park/answer to awake", peer, &times.fromAnswer)
	b.keepCount("park/spurious wakes", peer, l.woken.Load()-int64(len(written)))
	return nil
}

// settling is the time given to readers that should stay asleep.
const settling = 50 * time.Millisecond

// touch writes to allocation i.
func (l *lot) touch(i int) error {
	return l.p.touch(clientUpdate(l.d.ids[i], nextStamp(), updateEvents))
}

// keepLatency keeps the quantiles of h as a result.
func (b *bench) keepLatency(work, peer string, h *report.Histogram) {
	b.keepResult(result{Work: work, Peer: peer, sample: latencies(h)})
}
