package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"hash/maphash"
	"sync/atomic"

	"allocstore/schema"
)

// A form is how an allocation is encoded.
type form uint8

const (
	pretty form = 1 << iota
	packed      // with gzip

	forms = 1 << iota
)

// bodies are the latest encoded answers, each in one of the few slots that its ID and its
// form have: there is nothing to lock, and nothing to be put in order.
//
// A store never changes an allocation that it has handed out: a write makes a new one. So
// a body is good as long as the store returns the very allocation that it was made of,
// and nothing has to be told of writes. One that is not good any more is replaced
// by the next of its ID, or of another that has the same slots.
type bodies struct {
	limit   int64 // bytes
	display bool  // with DisplayMessages

	seed  maphash.Seed // against IDs made to collide
	sets  []set
	bytes atomic.Int64  // of all that are kept
	hand  atomic.Uint64 // goes round the slots, and empties them when there is too much
}

// A set has the slots of whatever has the same hash.
type set [ways]atomic.Pointer[body]

const ways = 4

// A body is one encoded allocation. It is immutable.
type body struct {
	of   *schema.Allocation
	as   form
	text []byte
}

// slotBytes is how many bytes there are to a slot: half of what the documented allocation
// takes, with its body.
const slotBytes = 4 << 10

// maxSets is how many sets there are at the most, 32 MiB of slots: whoever sets no limit to
// speak of, such as math.MaxInt, has that many.
const maxSets = 1 << 20

func newBodies(limit int, display bool) *bodies {
	sets := forms
	for sets < maxSets && sets*ways*slotBytes < limit {
		sets *= 2
	}
	return &bodies{limit: int64(limit), display: display, seed: maphash.MakeSeed(), sets: make([]set, sets)}
}

// of returns the encoded allocation of that ID. It must not be changed.
func (b *bodies) of(id string, a *schema.Allocation, as form) ([]byte, error) {
	set := &b.sets[(maphash.String(b.seed, id)+uint64(as))&uint64(len(b.sets)-1)]
	for i := range set {
		if kept := set[i].Load(); kept != nil && kept.of == a && kept.as == as {
			return kept.text, nil
		}
	}
	text, err := b.encode(a, as)
	if err == nil {
		b.keep(set, &body{a, as, text})
	}
	return text, err
}

// keep puts the body into one of its slots, and empties others as long as there is too
// much.
func (b *bodies) keep(in *set, with *body) {
	b.bytes.Add(with.size() - b.slotFor(in, with).Swap(with).size())
	for range len(b.sets) * ways {
		if b.bytes.Load() <= b.limit {
			break
		}
		next := b.hand.Add(1)
		b.bytes.Add(-b.sets[next/ways%uint64(len(b.sets))][next%ways].Swap(nil).size())
	}
}

// slotFor returns the slot of what the body replaces, or an empty one, or any.
func (b *bodies) slotFor(in *set, with *body) *atomic.Pointer[body] {
	to := &in[b.hand.Add(1)%ways]
	for i := range in {
		switch kept := in[i].Load(); {
		case kept == nil:
			to = &in[i]
		case kept.as == with.as && kept.of.ID == with.of.ID:
			return &in[i]
		}
	}
	return to
}

// size is about the memory of a body, with the allocation, which it may be all that still
// holds. A nil body has none.
func (b *body) size() int64 {
	if b == nil {
		return 0
	}
	const own = 64
	return int64(own + cap(b.text) + b.of.Footprint())
}

// encode returns the allocation in that form.
func (b *bodies) encode(a *schema.Allocation, as form) (text []byte, err error) {
	var v any = a
	if b.display {
		v = schema.Displayed{Allocation: a}
	}
	if as&pretty != 0 {
		text, err = json.MarshalIndent(v, "", "    ")
		text = append(text, '\n')
	} else {
		text, err = json.Marshal(v)
	}
	if err != nil || as&packed == 0 {
		return text, err
	}
	var short bytes.Buffer
	w := gzip.NewWriter(&short)
	_, _ = w.Write(text) // to memory
	err = w.Close()
	return short.Bytes(), err
}
