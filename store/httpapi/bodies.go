package httpapi

import (
	"bytes"
	"compress/gzip"
	"container/list"
	"encoding/json"
	"sync"

	"allocstore/schema"
)

// A form is how an allocation is encoded.
type form struct{ pretty, gzip bool }

// bodies are the latest encoded answers. A store never changes an allocation that it has
// handed out: a write makes a new one. So a body is good as long as the store returns
// the very allocation that it was made of, and nothing has to be told of writes.
type bodies struct {
	limit   int  // bytes
	display bool // with DisplayMessages

	mu struct {
		sync.Mutex // guards the rest; a leaf lock, nothing is encoded under it
		byID       map[string]*list.Element
		latest     *list.List // of *encoded; the one that was used last is in front
		bytes      int
	}
}

// encoded is one allocation in the forms that somebody has asked for.
type encoded struct {
	of    *schema.Allocation
	forms map[form][]byte
	bytes int
}

func newBodies(limit int, display bool) *bodies {
	b := &bodies{limit: limit, display: display}
	b.mu.byID, b.mu.latest = make(map[string]*list.Element), list.New()
	return b
}

// of returns the encoded allocation. It must not be changed.
func (b *bodies) of(a *schema.Allocation, as form) ([]byte, error) {
	if body := b.find(a, as); body != nil {
		return body, nil
	}
	body, err := b.encode(a, as)
	if err == nil {
		b.keep(a, as, body)
	}
	return body, err
}

// find returns what was encoded before, or nil.
func (b *bodies) find(a *schema.Allocation, as form) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.mu.byID[a.ID]
	if at == nil {
		return nil
	}
	e := at.Value.(*encoded)
	if e.of != a {
		return nil
	}
	b.mu.latest.MoveToFront(at)
	return e.forms[as]
}

// keep keeps a body, and drops those that were not used for the longest time if there
// are too many.
func (b *bodies) keep(a *schema.Allocation, as form, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.mu.byID[a.ID]
	if at != nil && at.Value.(*encoded).of != a {
		b.dropLocked(at)
		at = nil
	}
	if at == nil {
		at = b.mu.latest.PushFront(&encoded{of: a, forms: make(map[form][]byte)})
		b.mu.byID[a.ID] = at
		b.growLocked(at, entryBytes+a.Footprint()) // it may be all that still holds the allocation
	}
	e := at.Value.(*encoded)
	if e.forms[as] == nil {
		e.forms[as] = body
		b.growLocked(at, cap(body))
	}
	for b.mu.bytes > b.limit && b.mu.latest.Len() > 0 {
		b.dropLocked(b.mu.latest.Back())
	}
}

// entryBytes is about what an entry takes beside its bodies: two map slots, a map, the
// list's element.
const entryBytes = 512

func (b *bodies) growLocked(at *list.Element, bytes int) {
	at.Value.(*encoded).bytes += bytes
	b.mu.bytes += bytes
}

func (b *bodies) dropLocked(at *list.Element) {
	e := b.mu.latest.Remove(at).(*encoded)
	delete(b.mu.byID, e.of.ID)
	b.mu.bytes -= e.bytes
}

// encode returns the allocation in that form.
func (b *bodies) encode(a *schema.Allocation, as form) (body []byte, err error) {
	var v any = a
	if b.display {
		v = schema.Displayed{Allocation: a}
	}
	if as.pretty {
		body, err = json.MarshalIndent(v, "", "    ")
		body = append(body, '\n')
	} else {
		body, err = json.Marshal(v)
	}
	if err != nil || !as.gzip {
		return body, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(body) // to memory
	err = w.Close()
	return packed.Bytes(), err
}
