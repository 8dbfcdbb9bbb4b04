package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"hash/maphash"
	"sync/atomic"

	"allocstore/schema"
)

// A form is the encoding of an allocation: a set of flags.
type form uint8

const (
	pretty form = 1 << iota
	gzipped

	forms = 1 << iota
)

// A bodyCache holds the latest encoded answers. It is a set-associative table without locks: the ID
// and the form select a set, and each slot of the set holds one body.
//
// Writes need not invalidate anything. A store never changes an allocation that it has returned; a
// write makes a new one. So a body is valid as long as the store returns the very allocation from
// which the body was encoded. An invalid body stays until another body takes its slot.
type bodyCache struct {
	limit   int64 // bytes
	display bool  // with DisplayMessages

	seed  maphash.Seed // so that no client can make IDs collide
	sets  []set
	bytes atomic.Int64  // of all bodies in the cache
	next  atomic.Uint64 // the next slot to replace or to evict, round robin
}

// A set holds the bodies with the same hash.
type set [ways]atomic.Pointer[body]

const ways = 4

// A body is one encoded allocation. It is immutable.
type body struct {
	of   *schema.Allocation
	as   form
	text []byte
}

// slotBytes is the share of the limit for each slot: half the size of the documented allocation
// with its body.
const slotBytes = 4 << 10

// maxSets bounds the slots to 32 MiB, for a huge limit such as math.MaxInt.
const maxSets = 1 << 20

func newBodyCache(limit int, display bool) *bodyCache {
	sets := forms
	for sets < maxSets && sets*ways*slotBytes < limit {
		sets *= 2
	}
	return &bodyCache{limit: int64(limit), display: display, seed: maphash.MakeSeed(), sets: make([]set, sets)}
}

// get returns the allocation with that ID in that form, from the cache or encoded now. The result is
// shared and must not be changed.
func (c *bodyCache) get(id string, a *schema.Allocation, as form) ([]byte, error) {
	set := &c.sets[(maphash.String(c.seed, id)+uint64(as))&uint64(len(c.sets)-1)]
	for i := range set {
		if b := set[i].Load(); b != nil && b.of == a && b.as == as {
			return b.text, nil
		}
	}
	text, err := c.encode(a, as)
	if err == nil {
		c.insert(set, &body{a, as, text})
	}
	return text, err
}

// insert stores a body in its set, and evicts others while the cache is above its limit.
func (c *bodyCache) insert(in *set, b *body) {
	c.bytes.Add(b.size() - c.slot(in, b).Swap(b).size())
	for range len(c.sets) * ways {
		if c.bytes.Load() <= c.limit {
			break
		}
		next := c.next.Add(1)
		c.bytes.Add(-c.sets[next/ways%uint64(len(c.sets))][next%ways].Swap(nil).size())
	}
}

// slot returns the slot with an older body of the same ID and form; else an empty slot; else the next.
func (c *bodyCache) slot(in *set, b *body) *atomic.Pointer[body] {
	to := &in[c.next.Add(1)%ways]
	for i := range in {
		switch old := in[i].Load(); {
		case old == nil:
			to = &in[i]
		case old.as == b.as && old.of.ID == b.of.ID:
			return &in[i]
		}
	}
	return to
}

// size estimates the memory of a body and of its allocation, which only the body may still refer to.
// The size of nil is 0.
func (b *body) size() int64 {
	if b == nil {
		return 0
	}
	const own = 64
	return int64(own + cap(b.text) + new(schema.Codec).Footprint(b.of))
}

// encode returns the allocation in that form.
func (c *bodyCache) encode(a *schema.Allocation, as form) (text []byte, err error) {
	var v any = a
	if c.display {
		v = schema.Displayed{Allocation: a}
	}
	if as&pretty != 0 {
		text, err = json.MarshalIndent(v, "", "    ")
		text = append(text, '\n')
	} else {
		text, err = json.Marshal(v)
	}
	if err != nil || as&gzipped == 0 {
		return text, err
	}
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(text) // a bytes.Buffer returns no error
	err = w.Close()
	return buf.Bytes(), err
}
