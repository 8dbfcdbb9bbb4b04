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
	all, err := b.updaters(work, writers)
	if err != nil {
		return err
	}
	return b.writeBy(work, writers, all)
}

// writeBy measures writes by that many writers, and reads back a sample.
func (b *bench) writeBy(work string, writers int, all []*clients) error {
	var contenders []contender
	for _, c := range all {
		contenders = append(contenders, contender{c.peer, func(d time.Duration) (sample, error) {
			return c.run(writers, d)
		}})
	}
	if err := b.rounds(work, contenders); err != nil {
		return err
	}
	for _, c := range all {
		if err := c.check(); err != nil {
			return fmt.Errorf("%s/%s: %w", work, c.peer, err)
		}
	}
	return nil
}

// updaters returns the clients of the peers that take part in this work.
func (b *bench) updaters(work string, writers int) (all []*clients, err error) {
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
		all = append(all, &clients{
			peer:   p.name,
			store:  store,
			data:   b.data,
			acked:  b.ackedOf(p.rows),
			client: store.client,
			send: func(id string, stamp int64) error {
				return store.update(clientUpdate(id, stamp, updateEvents))
			},
		})
	}
	return all, nil
}

// ackedOf returns the acknowledgements of these rows, which several peers may share.
func (b *bench) ackedOf(rows string) []int64 {
	if b.acked[rows] == nil {
		b.acked[rows] = make([]int64, b.data.n)
	}
	return b.acked[rows]
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

// stamps numbers all writes of the run, so that they differ.
var stamps atomic.Int64

func nextStamp() int64 { return epoch + 1000*stamps.Add(1) }

// clients are the writers of one store.
type clients struct {
	peer  string
	store durable
	data  *data

	// acked holds the stamp of each allocation's last acknowledged write. At any time one
	// writer writes an allocation.
	acked []int64

	// send makes a write with the stamp durable. client returns an allocation that has the
	// last write.
	send   func(id string, stamp int64) error
	client func(id string) (*schema.Allocation, error)
}

// run lets the writers write to random allocations, each among its own.
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
		if err := c.send(c.data.ids[i], stamp); err != nil {
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

// checked is the number of written allocations to read back.
const checked = 1000

// check reads back a sample of the written allocations.
func (c *clients) check() error { return checkAcked(c.data, c.acked, c.client) }

// checkAcked compares a sample of the written allocations with the last acknowledged writes.
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
			return fmt.Errorf("%s shows the write of %d, acknowledged last was that of %d", id, got, acked[i])
		}
		if seen++; seen == checked {
			break
		}
	}
	return nil
}
