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
)

// neighbours is the number of other allocations written while a herd is parked.
const neighbours = 100

// herd parks many readers on one allocation and wakes them by one write. Max is the
// time until the last reader is awake.
func (b *bench) herd() error {
	const work = "herd"
	var herds []*herd
	var contenders []contender
	for _, p := range b.parkers(work) {
		store, err := p.open()
		if err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		h := &herd{p: store, d: b.data, rng: rand.New(rand.NewPCG(seed, 3)), awake: make([]time.Time, b.cfg.herd)}
		herds = append(herds, h)
		contenders = append(contenders, contender{p.name, h.once})
	}
	if err := b.rounds(work, contenders); err != nil {
		return err
	}
	for i, c := range contenders {
		b.keepCount(work+"/spurious wakes", c.peer, herds[i].spurious)
	}
	return nil
}

// herd is the readers of one store.
type herd struct {
	p   parker
	d   *data
	rng *rand.Rand

	awake    []time.Time // by reader: when it woke
	spurious int64       // readers that woke before their write, over all rounds
}

// once parks the readers, writes to other allocations, and then to the readers' own.
func (h *herd) once(time.Duration) (sample, error) {
	picked := h.rng.Perm(h.d.n)[:min(neighbours+1, h.d.n)]
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var left sync.WaitGroup
	var woken, failed atomic.Int64
	for i := range h.awake {
		left.Go(func() {
			if h.p.wait(ctx, h.d.ids[picked[0]], nil) != nil {
				failed.Add(1)
			}
			h.awake[i] = time.Now()
			woken.Add(1)
		})
	}
	if err := parked(h.p, len(h.awake)); err != nil {
		return sample{}, err
	}
	if err := h.touch(picked[1:]...); err != nil {
		return sample{}, err
	}
	runtime.GC() // collect the garbage of parking
	h.spurious += woken.Load()

	call := time.Now()
	err := h.touch(picked[0])
	answer := time.Now()
	left.Wait()
	if n := failed.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d readers did not wake from the write", n))
	}
	if err != nil {
		return sample{}, err
	}
	return h.sample(call, answer), nil
}

// touch writes to the allocations one by one.
func (h *herd) touch(of ...int) error {
	for _, i := range of {
		if err := h.p.touch(clientUpdate(h.d.ids[i], nextStamp(), updateEvents)); err != nil {
			return err
		}
	}
	return nil
}

// sample returns the latencies from the call of the write and from its answer.
func (h *herd) sample(call, answer time.Time) sample {
	var times wakeTimes
	for _, at := range h.awake {
		times.record(call, answer, at)
	}
	return sample{Parts: map[string]sample{
		"call to last awake":   latencies(&times.fromCall),
		"answer to last awake": latencies(&times.fromAnswer),
	}}
}
