package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2"

	"allocstore/schema"
)

// events measures durable appends of a task event by each number of writers. Pebble,
// beside it, writes 300 bytes without reading anything.
func (b *bench) events() error {
	for _, writers := range b.cfg.writers {
		work := fmt.Sprintf("event/writers=%d", writers)
		all, err := b.eventers(work)
		if err != nil {
			return err
		}
		if err := b.writeBy(work, writers, all); err != nil {
			return err
		}
	}
	return nil
}

// eventers returns the clients of the peers that take part in this work.
func (b *bench) eventers(work string) (all []*clients, err error) {
	if b.wants(work, ours) {
		o, err := asType[*ourStore](b.stores.ours.store())
		if err != nil {
			return nil, err
		}
		all = append(all, &clients{
			peer: ours, store: o, data: b.data, acked: b.ackedOf(ours), send: o.event, client: o.client,
		})
	}
	if b.wants(work, "Pebble") {
		p, err := asType[*pebbleStore](b.stores.pebble.store())
		if err != nil {
			return nil, err
		}
		all = append(all, &clients{
			peer: "Pebble", store: p, data: b.data, acked: b.ackedOf("Pebble, events"), send: p.event, client: p.lastEvent,
		})
	}
	return all, nil
}

const (
	eventPart  = 'e' // of a key that holds the last event
	eventBytes = 300
)

// eventText follows the stamp in a blind event.
var eventText = func() []byte {
	text := make([]byte, eventBytes-8)
	rng := rand.New(rand.NewPCG(seed, 4))
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	return text
}()

// event replaces the allocation's last event by one with the stamp, unread.
func (p *pebbleStore) event(id string, stamp int64) (err error) {
	kv := pairs.Get().(*pair)
	defer pairs.Put(kv)
	if kv.key, err = partKey(kv.key[:0], id, eventPart); err != nil {
		return err
	}
	kv.value = append(binary.BigEndian.AppendUint64(kv.value[:0], uint64(stamp)), eventText...)
	return p.db.Set(kv.key, kv.value, pebble.Sync)
}

// lastEvent returns an allocation with the last event.
func (p *pebbleStore) lastEvent(id string) (*schema.Allocation, error) {
	value, err := p.value(id, eventPart)
	if err != nil {
		return nil, err
	}
	if len(value) != eventBytes {
		return nil, fmt.Errorf("%w: event of %s", errMissing, id)
	}
	return clientUpdate(id, int64(binary.BigEndian.Uint64(value)), 1), nil
}
