package histories

import "slices"

// A following is the stream of one follower.
type following struct {
	begun bool
	last  call
	state []member // before it is complete
	whole bool
	next  int    // the event that comes next
	low   uint64 // the lowest index that the state may have
}

// followers checks that each follower was given the list as of a beginning, and then every change
// in order, across all its resumptions.
func (o *listHistory) followers() {
	streams := make(map[int]*following)
	var ends []*following
	for _, c := range o.replies {
		if c.Op != opResume && c.Op != opFollow {
			continue
		}
		f := streams[c.Client]
		if f == nil {
			f = new(following)
			streams[c.Client] = f
			ends = append(ends, f)
		}
		if c.Op == opResume {
			o.resume(f, c)
		} else {
			o.follow(f, c)
		}
		f.last = c
	}
	for _, f := range ends {
		if l := o.lists[f.last.List]; !f.whole || f.next != len(l.all) {
			o.fault("the follower was not told of all changes: %v", f.last)
		}
	}
}

// resume checks where a follower goes on.
func (o *listHistory) resume(f *following, c call) {
	var high uint64
	f.low, high = o.within(c.Begin, c.End)
	after := f.last.Min
	if f.last.Op == opResume && f.last.Outcome != compacted {
		after = f.last.Index
	}
	if c.Outcome == compacted {
		if !o.forgettable(c.Index, high) || f.last.Op != opResume || f.last.Index != c.Index {
			o.fault("no changes above it have been removed: %v", c)
		}
		return
	}
	if f.begun && c.Index != after {
		o.fault("the follower does not go on where it was in %v: %v", f.last, c)
	}
	f.begun, f.whole, f.state = true, c.Index > 0, nil
	f.next = upTo(o.lists[c.List].all, c.Index)
}

// follow checks one change that a follower was given.
func (o *listHistory) follow(f *following, c call) {
	l := o.lists[c.List]
	o.checked++
	_, high := o.within(c.Begin, c.End)
	switch {
	case c.Index > high:
		o.fault("that is to come, the index is at most %d: %v", high, c)
	case !f.whole && c.Full:
		f.whole, f.next = true, upTo(l.all, c.Index)
		if c.Index < f.low {
			o.fault("the state is older than %d: %v", f.low, c)
		}
		if want := o.at(l.list, c.Index); !slices.Equal(want, f.state) {
			o.fault("the list is %v, and the follower was given %v: %v", want, f.state, c)
		}
	case !f.whole && len(c.Members) == 1 && c.Members[0].Modify == c.Index:
		f.state = append(f.state, c.Members[0])
	case f.whole && f.next < len(l.all):
		if e := l.all[f.next]; !e.given(c) {
			o.fault("the change is %v: %v", e, c)
			f.next = max(upTo(l.all, c.Index-1), f.next) // report each gap once
		}
		f.next++
	default:
		o.fault("no change of the list: %v", c)
	}
}

// given reports whether the follower was given this event.
func (e *event) given(c call) bool {
	if c.Full || c.Index != e.index || len(c.Members)+len(c.Gone) != 1 {
		return false
	}
	if e.reason != "" {
		return len(c.Gone) == 1 && c.Gone[0] == departure{e.is.ID, e.index, e.reason}
	}
	return len(c.Members) == 1 && c.Members[0] == e.is
}
