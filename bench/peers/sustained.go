package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/program"
	"allocstore/schema"
)

const (
	sustainedMax     = 100_000 // allocations
	sustainedUpdates = 10      // updates of each allocation
	sustainedWriters = 256
)

// sustained measures the size of a store's files while every allocation is updated
// several times. Sizes are bytes per allocation. The live size is that of keys and
// encoded values alone.
func (b *bench) sustained() error {
	const work = "sustained"
	d := newData(min(b.data.n, sustainedMax))
	for _, p := range []struct {
		name, file string
		open       opener
	}{{ours, "sustained.db", openerOf(newOurs)}, {"Pebble", "sustained-pebble", openerOf(newPebble)}} {
		if !b.wants(work, p.name) {
			continue
		}
		store, err := p.open(filepath.Join(b.dir, p.file))
		if err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		sizes, err := sustain(store, d)
		if err := errors.Join(err, store.close()); err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		keep := func(what string, bytes int64) {
			b.keepResult(result{Work: work + "/" + what, Peer: p.name, N: d.n, Bytes: float64(bytes) / float64(d.n)})
		}
		keep("live", liveBytes(d))
		keep("loaded", sizes.loaded)
		keep("peak", sizes.peak)
		keep("end", sizes.end)
	}
	return nil
}

// sizes are the sizes of a store's files over time.
type sizes struct {
	loaded, peak, end int64
}

// sustain fills the store and updates all allocations.
func sustain(store durable, d *data) (s sizes, err error) {
	if err := store.load(d); err != nil {
		return s, err
	}
	if s.loaded, err = store.bytes(); err != nil {
		return s, err
	}
	over := make(chan struct{})
	var watching sync.WaitGroup
	var watchErr error
	watching.Go(func() { s.peak, watchErr = peak(store, over) })
	err = updateEach(store, d)
	close(over)
	watching.Wait()
	if err := errors.Join(err, watchErr, store.quiesce()); err != nil {
		return s, err
	}
	s.end, err = store.bytes()
	s.peak = max(s.peak, s.end)
	return s, err
}

// peak samples the size of the store until over is closed, and returns the maximum.
func peak(store durable, over <-chan struct{}) (highest int64, err error) {
	for {
		select {
		case <-over:
			return highest, nil
		case <-time.After(10 * time.Millisecond):
		}
		bytes, err := store.bytes()
		if err != nil {
			return highest, err
		}
		highest = max(highest, bytes)
	}
}

// updateEach updates all allocations in turn, sustainedUpdates times each.
func updateEach(store durable, d *data) error {
	var next atomic.Int64
	return program.Parallel(sustainedWriters, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= sustainedUpdates*d.n {
				return nil
			}
			if err := store.update(clientUpdate(d.ids[i%d.n], nextStamp(), updateEvents)); err != nil {
				return err
			}
		}
	})
}

// liveBytes returns the encoded size of the allocations after one update each, and of
// their jobs, with 16 bytes of key per allocation.
func liveBytes(d *data) (bytes int64) {
	client := len(codec.AppendClient(nil, clientUpdate(d.ids[0], nextStamp(), updateEvents)))
	for k := range d.jobs() {
		batch := d.batch(k)
		bytes += int64(len(codec.AppendJob(nil, batch[0].Job)))
		for _, a := range batch {
			bytes += int64(len(schema.ID{}) + len(codec.AppendScheduler(nil, a)) + client)
		}
	}
	return bytes
}
