package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
)

// getter looks up an allocation by its ID.
type getter interface {
	get(id string, got *found) error
}

// found is the result of a lookup: an allocation, or its encoding, copied into raw.
type found struct {
	alloc *schema.Allocation
	raw   []byte
	id    string // ID of the allocation in raw, if the encoding lacks it
}

// is reports whether the result is the allocation with this ID.
func (f *found) is(id string) bool {
	switch {
	case f.alloc != nil:
		return f.alloc.ID == id
	case f.id != "":
		return f.id == id
	}
	return strings.Contains(string(f.raw), id)
}

const (
	lookupReaders = 2   // goroutines
	chunkLen      = 128 // lookups between two readings of the clock
	timedEvery    = 64  // one lookup in timedEvery is timed by itself
)

// lookup measures Get of allocations in memory.
func (b *bench) lookup(work string) error {
	var contenders []contender
	add := func(peer string, g getter) {
		contenders = append(contenders, contender{peer, func(d time.Duration) (sample, error) {
			return lookups(g, b.data.random(), d)
		}})
	}
	if b.wants(work, ours) {
		o, err := b.resident()
		if err != nil {
			return err
		}
		defer o.close()
		add(ours, o)
	}
	peers, err := b.inMemory(work)
	if err != nil {
		return err
	}
	for _, p := range peers {
		add(p.name, p.inMemory)
	}
	return b.rounds(work, contenders)
}

// resident opens our store and reads every allocation once.
func (b *bench) resident() (*ourStore, error) {
	path, err := b.stores.ours.file()
	if err != nil {
		return nil, err
	}
	o, err := newOurs(path)
	if err != nil {
		return nil, err
	}
	return o, readAll(o, b.data.ids)
}

// readAll reads every allocation once.
func readAll(g getter, ids []string) error {
	for _, id := range ids {
		var got found
		if err := g.get(id, &got); err != nil {
			return err
		}
		if !got.is(id) {
			return fmt.Errorf("%w: %s", errMissing, id)
		}
	}
	return nil
}

// inMemory is a peer that keeps pointers to allocations in memory.
type inMemory interface {
	getter
	insert(rows []*schema.Allocation) error
}

type namedInMemory struct {
	name string
	inMemory
}

// inMemory returns the in-memory peers, filled with the same allocations.
func (b *bench) inMemory(work string) (peers []namedInMemory, err error) {
	mem, err := newMemdb()
	if err != nil {
		return nil, err
	}
	state, err := newStatedb()
	if err != nil {
		return nil, err
	}
	for _, p := range []namedInMemory{
		{"go-memdb", mem}, {"statedb", state}, {"sync.Map", new(syncMap)}, {"xsync", newXsyncMap()},
		{"sharded map", newShardedMap()},
	} {
		if b.wants(work, p.name) {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 {
		return nil, nil
	}
	return peers, b.data.eachCopy(func(rows []*schema.Allocation) error {
		for _, p := range peers {
			if err := p.insert(rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// once picks every ID once, in random order.
func (d *data) once() picker {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(d.n)
	var next atomic.Int64
	return func(_ *rand.Rand, chunk []string) int {
		from := min(int(next.Add(int64(len(chunk))))-len(chunk), d.n)
		to := min(from+len(chunk), d.n)
		var text strings.Builder
		for _, i := range order[from:to] {
			text.WriteString(d.ids[i])
		}
		return cut(text.String(), chunk)
	}
}

// lookups looks up IDs from several goroutines until d has passed or pick has no more
// IDs. It measures neither picking nor checking, since a caller has its ID at hand.
//
// A reader's rate is the rate of its median chunk. So other work on the machine, in
// time slices longer than a chunk, does not lower it.
func lookups(g getter, pick picker, d time.Duration) (sample, error) {
	readers, s, err := runReaders(g, pick, d, func() {})
	for _, r := range readers {
		s.Rate += r.rate()
	}
	return s, err
}

// steadyLookups is lookups with the rate over the whole time, for the mixed load, where
// the other work is part of the measurement. A reader yields after each chunk, as a
// reader does that returns to its caller. If readers occupied all processors without a
// yield, the other goroutines would wait up to 10 ms for the runtime to preempt them.
func steadyLookups(g getter, pick picker, d time.Duration) (sample, error) {
	start := time.Now()
	readers, s, err := runReaders(g, pick, d, runtime.Gosched)
	elapsed := time.Since(start)
	for _, r := range readers {
		s.Rate += float64(r.ops) / elapsed.Seconds()
	}
	return s, err
}

// runReaders measures everything but the rate. Readers call between after each chunk.
func runReaders(g getter, pick picker, d time.Duration, between func()) ([]*reader, sample, error) {
	readers := make([]*reader, lookupReaders)
	for i := range readers {
		readers[i] = newReader(g, pick, uint64(i))
	}
	before := mallocs()
	end := time.Now().Add(d)
	err := program.Parallel(len(readers), func(i int) error { return readers[i].run(end, between) })
	allocated := mallocs() - before
	ops, latency := 0, new(report.Histogram)
	for _, r := range readers {
		ops += r.ops
		latency.Merge(&r.latency)
	}
	s := latencies(latency)
	s.Allocs = pointer(float64(allocated) / float64(ops))
	return readers, s, err
}

// reader is a goroutine that makes lookups.
type reader struct {
	g       getter
	pick    picker
	rng     *rand.Rand
	ids     []string
	got     []found
	latency report.Histogram
	ops     int
	chunks  report.Histogram // durations of whole chunks
	read    tally            // what the lookups returned
}

func newReader(g getter, pick picker, n uint64) *reader {
	return &reader{
		g:    g,
		pick: pick,
		rng:  rand.New(rand.NewPCG(seed, n)),
		ids:  make([]string, chunkLen),
		got:  make([]found, chunkLen),
	}
}

// rate returns lookups per second, or 0 if the reader got no IDs.
func (r *reader) rate() float64 {
	if r.ops == 0 {
		return 0
	}
	return chunkLen / r.chunks.Quantile(.5).Seconds()
}

// run looks up chunk by chunk.
func (r *reader) run(end time.Time, between func()) error {
	for {
		n := r.pick(r.rng, r.ids)
		if n == 0 {
			return nil
		}
		start := time.Now()
		if err := r.chunk(r.ids[:n]); err != nil {
			return err
		}
		now := time.Now()
		r.ops += n
		r.chunks.Record(now.Sub(start) * chunkLen / time.Duration(n)) // a last, shorter chunk is scaled up
		for i, id := range r.ids[:n] {
			if !r.got[i].is(id) {
				return fmt.Errorf("asked for %s, got another or none", id)
			}
			r.got[i].alloc, r.got[i].id = nil, ""
		}
		if now.After(end) {
			return nil
		}
		between()
	}
}

// chunk looks up ids.
func (r *reader) chunk(ids []string) error {
	for i, id := range ids {
		if i%timedEvery != 0 {
			if err := r.one(id, &r.got[i]); err != nil {
				return err
			}
			continue
		}
		start := time.Now()
		if err := r.one(id, &r.got[i]); err != nil {
			return err
		}
		r.latency.Record(time.Since(start))
	}
	return nil
}

// one looks up id and reads a field of the allocation, as a caller does. A peer that
// returns a pointer has not touched the allocation's memory yet.
func (r *reader) one(id string, got *found) error {
	if err := r.g.get(id, got); err != nil {
		return err
	}
	if got.alloc != nil {
		r.read.add(got.alloc)
	}
	return nil
}
