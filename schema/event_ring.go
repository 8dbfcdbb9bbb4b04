package schema

import (
	"encoding/json"
	"iter"
	"slices"
	"sync"
)

// MaxTaskEvents is how many events of a task are kept.
const MaxTaskEvents = 10

// packing are buffers to pack events in before their length is known.
var packing = sync.Pool{New: func() any { return new([]byte) }}

// EventRing holds the latest MaxTaskEvents events of a task, and counts what it
// dropped. Its zero value is an empty ring, ready to use.
//
// The events are kept packed, as the MessagePack they are stored as, in one
// immutable string. Hence a ring is a small value: copying it is cloning it,
// and two rings are == exactly if their events and their dropped counts are
// equal. Ten events take their bytes, some 20 each, where ten TaskEvents take
// 300 each; a ring is stored by copying its string; and a ring that was read
// decodes an event only when somebody looks at it.
type EventRing struct {
	// Invariant: packed is the concatenation of exactly n events, each as
	// appendEvent writes it, with n <= MaxTaskEvents.
	packed  string
	n       uint8
	dropped uint64
}

// Append adds ev as the latest event. If the ring is full its oldest event is
// dropped.
func (r *EventRing) Append(ev TaskEvent) {
	older := r.packed
	if r.n == MaxTaskEvents {
		oldest := reader{src: older}
		oldest.skip()
		older = older[oldest.off:]
		r.dropped++
	} else {
		r.n++
	}
	buf := packing.Get().(*[]byte)
	defer packing.Put(buf)
	*buf = appendEvent(append((*buf)[:0], older...), &ev)
	r.packed = string(*buf)
}

// Len returns the number of events in the ring.
func (r EventRing) Len() int { return int(r.n) }

// Dropped returns how many events were dropped to make room for later ones.
func (r EventRing) Dropped() uint64 { return r.dropped }

// All yields the events, oldest first. Their strings share the ring's memory;
// their Details maps are the caller's.
func (r EventRing) All() iter.Seq[TaskEvent] {
	return func(yield func(TaskEvent) bool) {
		packed := reader{src: r.packed}
		for range r.n {
			var ev TaskEvent
			packed.event(&ev)
			if !yield(ev) {
				return
			}
		}
	}
}

// MarshalJSON writes the events as a list, oldest first; null if there are none.
func (r EventRing) MarshalJSON() ([]byte, error) {
	return json.Marshal(slices.Collect(r.All()))
}

// UnmarshalJSON reads a list of events, oldest first. Of more than
// MaxTaskEvents it keeps the last, and counts the others as dropped.
func (r *EventRing) UnmarshalJSON(data []byte) error {
	var events []TaskEvent
	if err := unmarshal(data, &events); err != nil {
		return err
	}
	*r = ringOf(events)
	return nil
}

// ringOf returns a ring of the last of events.
func ringOf(events []TaskEvent) EventRing {
	extra := max(0, len(events)-MaxTaskEvents)
	r := EventRing{dropped: uint64(extra)}
	for _, ev := range events[extra:] {
		r.Append(ev)
	}
	return r
}
