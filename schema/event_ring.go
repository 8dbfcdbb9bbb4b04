package schema

import (
	"encoding/json"
	"iter"
	"slices"
	"sync"
)

// MaxTaskEvents is the number of events that an EventRing holds.
const MaxTaskEvents = 10

// packing pools buffers for Append, because an event's length is known only when it is encoded.
var packing = sync.Pool{New: func() any { return new([]byte) }}

// EventRing holds the latest MaxTaskEvents events of a task, and counts the dropped ones. The
// zero value is an empty ring.
//
// The events are one immutable string, in the MessagePack form in which they are stored. So a
// copy of a ring is a clone, and two rings are == exactly if their events and their dropped
// counts are equal. An event takes some 20 bytes, where a TaskEvent takes 300. A ring is
// stored by copying its string, and a ring that was read decodes its events in All.
type EventRing struct {
	// Invariant: packed is the concatenation of exactly n events, each as
	// appendEvent writes it, with n <= MaxTaskEvents.
	packed  string
	n       uint8
	dropped uint64
}

// Append appends ev as the latest event. A full ring drops its oldest event.
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

// Dropped returns the number of events that later ones have displaced.
func (r EventRing) Dropped() uint64 { return r.dropped }

// All yields the events, oldest first. Their strings share the ring's memory. Their Details
// belong to the caller.
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

// MarshalJSON writes the events as a list, oldest first; null for an empty ring.
func (r EventRing) MarshalJSON() ([]byte, error) {
	return json.Marshal(slices.Collect(r.All()))
}

// UnmarshalJSON reads a list of events, oldest first. Of more than MaxTaskEvents events it
// keeps the last, and counts the others as dropped.
func (r *EventRing) UnmarshalJSON(data []byte) error {
	var events []TaskEvent
	if err := unmarshal(data, &events); err != nil {
		return err
	}
	*r = ringOf(events)
	return nil
}

// ringOf returns a ring of the last of the events.
func ringOf(events []TaskEvent) EventRing {
	extra := max(0, len(events)-MaxTaskEvents)
	r := EventRing{dropped: uint64(extra)}
	for _, ev := range events[extra:] {
		r.Append(ev)
	}
	return r
}
