package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"allocstore/schema"
)

// updateEvents is the number of events in an update: received, set up, started.
const updateEvents = 3

// aloneWriters is the maximum number of writers for a store that commits updates one by one.
const aloneWriters = 256

// updates measures durable client updates by each number of writers.
func (b *bench) updates(work string, numbers []int) error {
	for _, writers := range numbers {
		if err := b.updateBy(fmt.Sprintf("%s/writers=%d", work, writers), writers); err != nil {
			return err
		}
	}
	return nil
}

// updateBy measures updates by that many writers, and reads back a sample.
func (b *bench) updateBy(work string, writers int) error {
	contenders, err := b.updaters(work, writers)
	if err != nil {
		return err
	}
	if err := b.rounds(work, contenders); err != nil {
		return err
	}
	for _, c := range contenders {
		if err := b.clients[c.peer].check(); err != nil {
			return fmt.Errorf("%s/%s: %w", work, c.peer, err)
		}
	}
	return nil
}

// updaters returns the contenders of this work.
func (b *bench) updaters(work string, writers int) (contenders []contender, err error) {
	for _, p := range b.durables(work) {
		if p.name == "bbolt Update" && writers > aloneWriters {
			b.note("%s: %s is left out: it commits one update at a time, so more than %d writers only wait longer",
				work, p.name, aloneWriters)
			continue
		}
		store, err := p.open()
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		c := b.clients[p.name]
		if c == nil {
			c = &clients{store: store, rows: p.rows, data: b.data, acked: acks(b.clients, p.rows, b.data.n)}
			b.clients[p.name] = c
		}
		contenders = append(contenders, contender{p.name, func(d time.Duration) (sample, error) {
			return c.run(writers, d)
		}})
	}
	return contenders, nil
}

// acks returns the acknowledgements of these rows, which several peers may share.
func acks(all map[string]*clients, rows string, n int) []int64 {
	for _, c := range all {
		if c.rows == rows {
			return c.acked
		}
	}
	return make([]int64, n)
}

// namedDurable is a durable peer, opened on demand.
type namedDurable struct {
	name string
	rows string // name of the rows it writes; peers with the same name share them
	open func() (durable, error)
}

// durables returns the durable peers that the flags ask for. Variants of a peer differ
// only in their updates.
func (b *bench) durables(work string) (peers []namedDurable) {
	whole := variant(b.stores.pebble.store, func(d durable) durable { return pebbleWhole{d.(*pebbleStore)} })
	batch := func(delay time.Duration) func() (durable, error) {
		return variant(b.stores.bolt.store, func(d durable) durable { return boltBatch{d.(*boltStore), delay} })
	}
	for _, p := range []namedDurable{
		{ours, ours, b.stores.ours.store},
		{"Pebble", "Pebble", b.stores.pebble.store},
		{"Pebble, whole", "Pebble, whole", whole},
		{"Badger", "Badger", b.stores.badger.store},
		{"bbolt Update", "bbolt", b.stores.bolt.store},
		{"bbolt Batch", "bbolt", batch(boltDelay)},
		{"bbolt Batch 1ms", "bbolt", batch(time.Millisecond)},
	} {
		if b.wants(work, p.name) {
			peers = append(peers, p)
		}
	}
	return peers
}

// isVariant reports whether the peer differs from another only in its updates.
func (p *namedDurable) isVariant() bool {
	return strings.HasPrefix(p.name, "bbolt Batch") || p.name == "Pebble, whole"
}

// eachDurable opens the durable peers that the flags ask for, except variants, and
// calls do with each.
func (b *bench) eachDurable(work string, do func(peer string, d durable) error) error {
	for _, p := range b.durables(work) {
		if p.isVariant() {
			continue
		}
		d, err := p.open()
		if err == nil {
			err = do(p.name, d)
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
	}
	return nil
}

// variant returns a function that opens a store in front of another.
func variant(open func() (durable, error), in func(durable) durable) func() (durable, error) {
	return func() (durable, error) {
		d, err := open()
		if err != nil {
			return nil, err
		}
		return in(d), nil
	}
}

// stamps numbers all updates of the run, so that they differ.
var stamps atomic.Int64

func nextStamp() int64 { return epoch + 1000*stamps.Add(1) }

// clients are the writers of one store.
type clients struct {
	store durable
	rows  string
	data  *data

	// acked holds the stamp of each allocation's last acknowledged update. At any time one
	// writer writes an allocation.
	acked []int64
}

// run lets the writers update random allocations, each among its own.
func (c *clients) run(writers int, d time.Duration) (sample, error) {
	if p, ok := c.store.(interface{ prepare() }); ok {
		p.prepare()
	}
	rngs := make([]*rand.Rand, writers)
	for w := range rngs {
		rngs[w] = rand.New(rand.NewPCG(uint64(stamps.Load()), uint64(w)))
	}
	s, err := closedLoop(writers, d, func(w int) error {
		share := (c.data.n - w + writers - 1) / writers
		i := w + writers*rngs[w].IntN(share)
		stamp := nextStamp()
		if err := c.store.update(clientUpdate(c.data.ids[i], stamp, updateEvents)); err != nil {
			return err
		}
		c.acked[i] = stamp
		return nil
	})
	if err != nil {
		return s, err
	}
	return s, c.store.quiesce()
}

// checked is the number of updated allocations to read back.
const checked = 1000

// check reads back a sample of the updated allocations.
func (c *clients) check() error { return checkAcked(c.data, c.acked, c.store.client) }

// checkAcked compares a sample of the updated allocations with the last acknowledged updates.
func checkAcked(d *data, acked []int64, client func(id string) (*schema.Allocation, error)) error {
	seen := 0
	for _, i := range rand.New(rand.NewPCG(seed, 1)).Perm(d.n) {
		if acked[i] == 0 {
			continue
		}
		id := d.ids[i]
		a, err := client(id)
		if err != nil {
			return fmt.Errorf("read back %s: %w", id, err)
		}
		if got := stampOf(a); got != acked[i] {
			return fmt.Errorf("%s shows the update of %d, acknowledged last was that of %d", id, got, acked[i])
		}
		if seen++; seen == checked {
			break
		}
	}
	return nil
}
