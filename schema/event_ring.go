package schema

import (
	"encoding/binary"
	"iter"
	"math"
	"strings"
	"sync"
	"unicode/utf8"
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
func (r *EventRing) Append(ev TaskEvent) { r.add(&ev, false) }

// add appends ev and reports true. With once it leaves a ring that has ev already as it is,
// and reports false. An event without a Time is always new.
func (r *EventRing) add(ev *TaskEvent, once bool) bool {
	older := r.packed
	if r.n == MaxTaskEvents {
		oldest := reader{src: older}
		oldest.skip()
		older = older[oldest.off:]
	}
	buf := packing.Get().(*[]byte)
	defer packing.Put(buf)
	*buf = appendEvent(append((*buf)[:0], older...), ev)
	packed := string(*buf)
	if once && ev.Time != 0 && r.has(packed[len(older):], ev.Time) {
		return false
	}
	if r.n == MaxTaskEvents {
		r.dropped++
	} else {
		r.n++
	}
	r.packed = packed
	return true
}

// has reports whether the ring has the event of that time, which is encoded in event. Equal
// events are equal bytes. A new event costs a search for the last bytes of its time.
func (r *EventRing) has(event string, time int64) bool {
	var last [4]byte
	binary.BigEndian.PutUint32(last[:], uint32(time))
	if time > math.MaxUint32 && !strings.Contains(r.packed, string(last[:])) {
		return false
	}
	for packed := (reader{src: r.packed}); packed.left() > 0; {
		at := packed.off
		packed.skip()
		if r.packed[at:packed.off] == event {
			return true
		}
	}
	return false
}

// Len returns the number of events in the ring.
func (r EventRing) Len() int { return int(r.n) }

// Dropped returns the number of events that later ones have displaced.
func (r EventRing) Dropped() uint64 { return r.dropped }

// All yields the events, oldest first. Their strings share the ring's memory. Their Details
// belong to the caller.
func (r EventRing) All() iter.Seq[TaskEvent] {
	return func(yield func(TaskEvent) bool) { _ = r.each(yield) }
}

// each yields the events, up to one with an extra value that is not JSON, which Append does not
// refuse. It returns that fault, after the event.
func (r EventRing) each(yield func(TaskEvent) bool) error {
	packed := reader{src: r.packed}
	for range r.n {
		var ev TaskEvent
		packed.event(&ev)
		if !yield(ev) || packed.err != nil {
			return packed.err
		}
	}
	return nil
}

// plain reports whether all texts of the events are UTF-8, and no event has extra keys. It looks
// at the codes only: an event with extra keys has more fields than fit an array's short code.
func (r EventRing) plain() bool {
	for off := 0; off < len(r.packed); {
		c := r.packed[off]
		k := &heads[c]
		if c == codeArray16 || c == codeArray32 {
			return false
		}
		start, size := off+1, int(k.size)
		if n := int(k.lenBytes); n > 0 {
			head := reader{src: r.packed, off: off}
			bytes, _, _ := head.head()
			start, size = head.off, int(bytes)
		}
		if end := start + size; end > len(r.packed) {
			return false
		} else if c&^fixStrLen == codeFixStr || c >= codeStr8 && c <= codeStr32 {
			if !utf8.ValidString(r.packed[start:end]) {
				return false
			}
		}
		off = start + size
	}
	return true
}

// MarshalJSON writes the events as a list, oldest first; null for an empty ring.
func (r EventRing) MarshalJSON() ([]byte, error) {
	return writeJSON(&r)
}

// UnmarshalJSON reads a list of events, oldest first. Of more than MaxTaskEvents events it
// keeps the last, and counts the others as dropped.
func (r *EventRing) UnmarshalJSON(data []byte) error {
	var ring EventRing
	err := readJSON(data, func(j *jsonReader) {
		if !j.null() {
			j.value(&ring)
		}
	})
	if err == nil {
		*r = ring
	}
	return err
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
