package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/schema"
)

// The mixed load is the typical load of a scheduler's store: concurrent lookups,
// clients' updates and blocked readers.
const (
	mixedWriters = 64
	mixedReaders = 1000 // blocked ones
)

// mixer is a store that can take the mixed load. If it is a parker, it gets blocked
// readers too.
type mixer interface {
	getter
	touch(*schema.Allocation) error
	client(id string) (*schema.Allocation, error)
}

// mixed measures two goroutines of lookups, 64 writers of updates and 1,000 blocked
// readers at once. Half of the updates are of allocations that a reader waits on. A
// reader that woke waits on another allocation next.
func (b *bench) mixed() error {
	const work = "mixed"
	var contenders []contender
	var loads []*mix
	for _, p := range b.mixers(work) {
		if b.data.n < 2*mixedWriters {
			return fmt.Errorf("%s: %d allocations are too few", work, b.data.n)
		}
		store, err := p.open()
		if err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		if err := readAll(store, b.data.ids); err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		m := newMix(store, b.data)
		loads = append(loads, m)
		contenders = append(contenders, contender{p.name, m.once})
	}
	if err := b.rounds(work, contenders); err != nil {
		return err
	}
	for i, c := range contenders {
		if err := loads[i].check(); err != nil {
			return fmt.Errorf("%s/%s: %w", work, c.peer, err)
		}
		if loads[i].parker != nil {
			b.keepCount(work+"/spurious wakes", c.peer, loads[i].spurious.Load())
		}
	}
	return nil
}

// namedMixer is a peer for the mixed load, opened on demand.
type namedMixer struct {
	name string
	open func() (mixer, error)
}

// mixers returns the peers that the flags ask for.
func (b *bench) mixers(work string) (peers []namedMixer) {
	for _, p := range []namedMixer{
		{ours, func() (mixer, error) { return asType[mixer](b.stores.ours.store()) }},
		{"Pebble", func() (mixer, error) { return asType[mixer](b.stores.pebble.store()) }},
		{"go-memdb", func() (mixer, error) { return asType[mixer](b.memdbParker()) }},
	} {
		if b.wants(work, p.name) {
			peers = append(peers, p)
		}
	}
	return peers
}

// asType returns the store as a T.
func asType[T any](store any, err error) (t T, _ error) {
	if err == nil {
		t = store.(T)
	}
	return t, err
}

// mix is the mixed load on one store. The allocations are divided into blocks of equal
// size. Readers wait on allocations of even blocks, which are written only while a
// reader waits on them. Allocations of odd blocks are always written. Writer w owns
// every allocation whose number modulo the number of writers is w.
type mix struct {
	store  mixer
	parker parker // nil if the store has no waits
	data   *data
	block  int
	acked  []int64 // see clients

	slots    []atomic.Pointer[turn] // one for each blocked reader
	mu       sync.Mutex             // guards times
	times    *wakeTimes
	spurious atomic.Int64
}

// turn is one wait of a blocked reader and the write that ends it. The later of writer
// and reader to finish records the latency.
type turn struct {
	i                       int // allocation
	taken                   atomic.Bool
	done                    atomic.Int32
	called, answered, awake time.Time
}

func newMix(store mixer, d *data) *mix {
	m := &mix{store: store, data: d, acked: make([]int64, d.n)}
	m.block = mixedWriters * max(1, min((mixedReaders+mixedWriters-1)/mixedWriters, d.n/(2*mixedWriters)))
	m.parker, _ = store.(parker)
	return m
}

// once runs the load for d.
func (m *mix) once(d time.Duration) (sample, error) {
	m.slots = make([]atomic.Pointer[turn], min(mixedReaders, m.block))
	m.times = new(wakeTimes)
	waiting, err := m.park()
	if err != nil {
		return sample{}, err
	}
	var reads, updates sample
	var readErr, updateErr error
	var running sync.WaitGroup
	running.Go(func() { reads, readErr = steadyLookups(m.store, m.data.random(), d) })
	running.Go(func() { updates, updateErr = m.write(d) })
	running.Wait()
	if err := errors.Join(readErr, updateErr, waiting()); err != nil {
		return sample{}, err
	}
	reads.Allocs, updates.Allocs = nil, nil // they cannot be told apart
	s := sample{Parts: map[string]sample{"reads": reads, "updates": updates}}
	if m.parker != nil {
		s.Parts["call to awake"] = latencies(&m.times.fromCall)
		s.Parts["answer to awake"] = latencies(&m.times.fromAnswer)
	}
	return s, nil
}

// park starts the blocked readers, and returns a function that ends them.
func (m *mix) park() (end func() error, err error) {
	if m.parker == nil {
		return func() error { return nil }, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	errs := make([]error, len(m.slots))
	var left sync.WaitGroup
	for r := range m.slots {
		left.Go(func() { errs[r] = m.reader(ctx, r) })
	}
	end = func() error {
		cancel()
		left.Wait()
		return errors.Join(errs...)
	}
	if err := parked(m.parker, len(m.slots)); err != nil {
		return nil, errors.Join(err, end())
	}
	return end, nil
}

// reader waits on allocations of even blocks, one after the other.
func (m *mix) reader(ctx context.Context, r int) error {
	blocks := max(1, m.data.n/(2*m.block))
	for k := 0; ; k = (k + 1) % blocks {
		t := &turn{i: 2*k*m.block + r}
		err := m.parker.wait(ctx, m.data.ids[t.i], func() { m.slots[r].Store(t) })
		t.awake = time.Now()
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		if !t.taken.Load() {
			m.spurious.Add(1)
		}
		m.finish(t)
	}
}

// finish records the turn at its second call.
func (m *mix) finish(t *turn) {
	if t.done.Add(1) < 2 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times.record(t.called, t.answered, t.awake)
}

// write runs the writers until d has passed.
func (m *mix) write(d time.Duration) (sample, error) {
	rngs := make([]*rand.Rand, mixedWriters)
	for w := range rngs {
		rngs[w] = rand.New(rand.NewPCG(uint64(stamps.Load()), uint64(w)))
	}
	return closedLoop(mixedWriters, d, func(w int) error {
		if t := m.waitedOn(w, rngs[w]); t != nil {
			return m.wake(t)
		}
		return m.update(m.cold(w, rngs[w]))
	})
}

// waitedOn takes the turn of a reader on one of w's allocations. It returns nil for
// half of the calls, and if the chosen reader is not waiting yet.
func (m *mix) waitedOn(w int, rng *rand.Rand) *turn {
	share := (len(m.slots) - w + mixedWriters - 1) / mixedWriters
	if m.parker == nil || rng.IntN(2) == 0 || share <= 0 {
		return nil
	}
	return m.slots[w+mixedWriters*rng.IntN(share)].Swap(nil)
}

// wake makes the write that ends a turn.
func (m *mix) wake(t *turn) error {
	t.taken.Store(true)
	t.called = time.Now()
	if err := m.update(t.i); err != nil {
		return err
	}
	t.answered = time.Now()
	m.finish(t)
	return nil
}

// cold picks one of w's allocations in an odd block.
func (m *mix) cold(w int, rng *rand.Rand) int {
	blocks := max(1, m.data.n/(2*m.block))
	i := (2*rng.IntN(blocks)+1)*m.block + w + mixedWriters*rng.IntN(m.block/mixedWriters)
	return min(i, m.data.n-1)
}

// update writes to allocation i.
func (m *mix) update(i int) error {
	stamp := nextStamp()
	if err := m.store.touch(clientUpdate(m.data.ids[i], stamp, updateEvents)); err != nil {
		return err
	}
	m.acked[i] = stamp
	return nil
}

// check reads back a sample of the updated allocations.
func (m *mix) check() error { return checkAcked(m.data, m.acked, m.store.client) }
