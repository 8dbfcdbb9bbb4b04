package schema

import "time"

func appendEvent(dst []byte, ev *TaskEvent) []byte {
	t := openTuple(dst)
	t.str(ev.Type)
	t.int(ev.Time)
	t.str(ev.Message)
	t.int(int64(ev.ExitCode))
	t.int(int64(ev.Signal))
	t.str(ev.DriverError)
	t.str(ev.KillError)
	t.bool(ev.FailsTask)
	t.field(appendMap(t.dst, ev.Details, appendString), len(ev.Details) != 0)
	t.str(ev.RestartReason)
	t.str(ev.SetupError)
	t.str(ev.DriverMessage)
	t.str(ev.KillReason)
	t.int(int64(ev.KillTimeout))
	t.int(ev.StartDelay)
	t.str(ev.DownloadError)
	t.str(ev.ValidationError)
	t.int(ev.DiskLimit)
	t.str(ev.FailedSibling)
	t.str(ev.TaskSignal)
	t.str(ev.TaskSignalReason)
	return t.close()
}

// usualFields is the number of fields that event reads by itself.
const usualFields = 9

// event reads an event. It sets r.noncanonical if appendEvent writes the event differently.
func (r *reader) event(ev *TaskEvent) {
	if r.null() {
		r.noncanonical = true
		return
	}
	n := r.arrayLen()
	last := r.off
	for i := range min(n, usualFields) {
		last = r.off
		switch i {
		case 0:
			ev.Type = r.str()
		case 1:
			ev.Time = r.int64()
		case 2:
			ev.Message = r.str()
		case 3:
			ev.ExitCode = r.int()
		case 4:
			ev.Signal = r.int()
		case 5:
			ev.DriverError = r.str()
		case 6:
			ev.KillError = r.str()
		case 7:
			ev.FailsTask = r.bool()
		case 8:
			ev.Details = r.stringMap()
		}
	}
	if n > usualFields {
		last = r.rareFields(ev, n-usualFields)
	}
	r.noncanonical = r.noncanonical || r.zeroSince(last)
}

// rareFields reads the n fields of an event after the usual ones. It returns the offset of the last one.
func (r *reader) rareFields(ev *TaskEvent, n int) (last int) {
	c := coder{r: r}
	fields := [...]any{
		(*alias)(&ev.RestartReason), (*alias)(&ev.SetupError), (*alias)(&ev.DriverMessage), (*alias)(&ev.KillReason),
		&ev.KillTimeout, (*time.Duration)(&ev.StartDelay), (*alias)(&ev.DownloadError), (*alias)(&ev.ValidationError),
		(*time.Duration)(&ev.DiskLimit), (*alias)(&ev.FailedSibling), (*alias)(&ev.TaskSignal), (*alias)(&ev.TaskSignalReason),
	}
	for i := range n {
		last = r.off
		if i < len(fields) {
			c.read(fields[i])
		} else {
			r.skip()
			r.noncanonical = true
		}
	}
	return last
}

// zeroSince reports whether the bytes read since offset at are a zero field. A tuple never
// ends with one.
func (r *reader) zeroSince(at int) bool {
	return r.off-at == 1 && zeroCode(r.src[at])
}

// appendEvents copies the ring's events, which are in their stored form already.
func appendEvents(dst []byte, ring EventRing) []byte {
	if ring.n == 0 {
		return appendNil(dst)
	}
	return append(appendArrayLen(dst, int(ring.n)), ring.packed...)
}

// events reads a list of events into a ring that has dropped some before. It checks every
// byte, so the ring can decode the events later without errors. The ring shares their bytes,
// or has them encoded again if they are not in the form of appendEvent.
func (r *reader) events(dropped uint64) EventRing {
	n := r.arrayLen()
	first, kept := r.off, r.off
	r.noncanonical, r.checkOnly = false, true
	var checked TaskEvent
	for i := range n {
		if i == n-MaxTaskEvents {
			kept = r.off
		}
		r.event(&checked)
	}
	r.checkOnly = false
	switch {
	case r.err != nil || n == 0:
		return EventRing{dropped: dropped}
	case r.noncanonical:
		return r.repack(first, n, dropped)
	}
	extra := max(0, n-MaxTaskEvents)
	return EventRing{packed: r.src[kept:r.off], n: uint8(n - extra), dropped: dropped + uint64(extra)}
}

// repack reads the n events at offset at once more, and encodes them into a ring.
func (r *reader) repack(at, n int, dropped uint64) EventRing {
	again := reader{src: r.src[:r.off], off: at}
	ring := EventRing{dropped: dropped}
	for range n {
		var ev TaskEvent
		again.event(&ev)
		if again.err != nil {
			r.err, r.off = again.err, len(r.src)
			return EventRing{}
		}
		ring.Append(ev)
	}
	return ring
}
