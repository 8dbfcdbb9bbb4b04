package main

import (
	"time"

	"allocstore/bench/internal/machine"
)

// open measures Open with a warm page cache. The rate is allocations per second; the
// latencies are those of the whole Open. Of the peers, only allocstore rebuilds a table.
func (b *bench) open(work, heap string) error {
	var contenders []contender
	for _, p := range []struct {
		name string
		prepared
	}{{ours, b.stores.ours}, {"Pebble", b.stores.pebble}, {"Badger", b.stores.badger}} {
		if !b.wants(work, p.name) {
			continue
		}
		path, err := p.file()
		if err != nil {
			return err
		}
		contenders = append(contenders, contender{p.name, func(time.Duration) (sample, error) {
			return timedOpen(p.prepared.open, path, b.data.n)
		}})
	}
	if err := b.rounds(work, contenders); err != nil || !b.wants(work, ours) {
		return err
	}
	return b.openHeap(heap)
}

// openHeap measures the total heap of our store after Open.
func (b *bench) openHeap(work string) error {
	path, err := b.stores.ours.file()
	if err != nil {
		return err
	}
	before, _ := machine.InUse()
	o, err := newOurs(path)
	if err != nil {
		return err
	}
	after, _ := machine.InUse()
	b.keepBytes(work, ours, float64(after-before))
	return o.close()
}

// timedOpen opens and closes a store of n allocations.
func timedOpen(open opener, path string, n int) (sample, error) {
	start, before := time.Now(), mallocs()
	store, err := open(path)
	if err != nil {
		return sample{}, err
	}
	elapsed := time.Since(start)
	allocated := mallocs() - before
	return sample{
		Rate:   float64(n) / elapsed.Seconds(),
		Allocs: pointer(float64(allocated) / float64(n)),
		P50:    elapsed,
		P99:    elapsed,
	}, store.close()
}
