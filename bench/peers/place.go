package main

import (
	"time"

	"allocstore/bench/internal/report"
	"allocstore/schema"
)

// pebbleListed is the name of the Pebble that keeps lists.
const pebbleListed = "Pebble, lists"

// place measures durable placement by one scheduler, one job a batch. The rate is
// allocations per second; the latencies are those of batches. Pebble
// takes part without and with the lists that allocstore keeps, go-memdb without a disk.
func (b *bench) place() error {
	const work = "place"
	var contenders []contender
	add := func(peer string, p placer) {
		next := b.data.jobs() // every peer places the same jobs
		contenders = append(contenders, contender{peer, func(d time.Duration) (sample, error) {
			return placeJobs(p, b.data, &next, d)
		}})
	}
	err := b.eachDurable(work, func(peer string, d durable) error {
		add(peer, d)
		return nil
	})
	if err != nil {
		return err
	}
	if b.wants(work, pebbleListed) {
		p, err := b.stores.pebbleLists.store()
		if err != nil {
			return err
		}
		add(pebbleListed, p)
	}
	if b.wants(work, "go-memdb") {
		m, err := newMemdb()
		if err != nil {
			return err
		}
		add("go-memdb", m)
	}
	return b.rounds(work, contenders)
}

// placeJobs places jobs until d has passed. Making the jobs is the scheduler's work and
// is not measured.
func placeJobs(p placer, d *data, next *int, each time.Duration) (sample, error) {
	h := new(report.Histogram)
	var busy time.Duration
	var allocated uint64
	placed := 0
	for busy < each {
		batch := d.batch(*next)
		*next++
		took, mallocs, err := timed(p, batch)
		if err != nil {
			return sample{}, err
		}
		busy += took
		allocated += mallocs
		placed += len(batch)
		h.Record(took)
	}
	s := latencies(h)
	s.Rate = float64(placed) / busy.Seconds()
	s.Allocs = pointer(float64(allocated) / float64(placed))
	return s, nil
}

// timed places one batch.
func timed(p placer, batch []*schema.Allocation) (took time.Duration, allocated uint64, err error) {
	before := mallocs()
	start := time.Now()
	err = p.place(batch)
	took = time.Since(start)
	return took, mallocs() - before, err
}
