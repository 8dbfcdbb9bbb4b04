package schema

func appendEvent(dst []byte, ev *TaskEvent) []byte {
	ev = ev.withoutOwnMessage()
	c := appender(dst)
	c.aliases(&ev.Type).int64s(&ev.Time).aliases(&ev.Message).ints(&ev.ExitCode, &ev.Signal)
	c.aliases(&ev.DriverError, &ev.KillError).bools(&ev.FailsTask).textMap(&ev.Details)
	ev.rareFields(&c)
	return c.t.close()
}

// event reads an event. It sets r.noncanonical if appendEvent writes the event differently. It
// reads the usual fields by hand, in half the time of a coder.
func (r *reader) event(ev *TaskEvent) {
	if r.null() {
		r.noncanonical = true
		return
	}
	c := newCoder(r)
	c.last = r.off
	for i := 0; i < usualFields && c.next(); i++ {
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
	if c.left > 0 {
		ev.rareFields(&c)
	}
	r.noncanonical = r.noncanonical || c.left > 0 || r.zeroSince(c.last)
	c.skipRest()
}

// usualFields is the number of fields before the rare ones.
const usualFields = 9

func (ev *TaskEvent) rareFields(c *coder) {
	c.aliases(&ev.RestartReason, &ev.SetupError, &ev.DriverMessage, &ev.KillReason)
	c.int64s((*int64)(&ev.KillTimeout), &ev.StartDelay).aliases(&ev.DownloadError, &ev.ValidationError)
	c.int64s(&ev.DiskLimit).aliases(&ev.FailedSibling, &ev.TaskSignal, &ev.TaskSignalReason).extra(&ev.Extra)
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
