package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
	"allocstore/watch"
)

// ListResult is the result of a wait for a list.
type ListResult struct {
	// Index is the index of the list: the newest at which a member arrived, changed or left. It is
	// at least 1, and never below the last restore or the floor of compaction. After TimedOut it is
	// the store's last index. A wait with it as MinQueryIndex misses nothing.
	Index uint64

	// Outcome is Changed, TimedOut, Restored or Compacted.
	Outcome Outcome

	// Full says that Changed has all members, not only those that changed, and Gone is nil: an
	// allocation that is not in Changed is not in the list. It is set with MinQueryIndex 0, and after
	// Restored and Compacted.
	Full bool

	// Changed has the members that arrived or changed above MinQueryIndex, each in its newest
	// version, in the order of their IDs. They are shared and must not be changed.
	Changed []*schema.Allocation

	// Gone has the allocations that left the list above MinQueryIndex and are not back, each with its
	// latest departure, in the order of the indexes. It belongs to the caller, as does the slice
	// Changed.
	Gone []Departure
}

// A Departure is an allocation that left a list.
type Departure struct {
	ID     string // in lower case
	Index  uint64
	Reason DepartureReason
}

// DepartureReason is the reason why an allocation left a list.
type DepartureReason uint8

// Reasons of departures.
const (
	// Removed: the allocation was deleted.
	Removed = DepartureReason(lists.Removed)

	// Moved: its node, its job or its evaluation is another one now.
	Moved = DepartureReason(lists.Moved)

	// Terminated: it became terminal, under NonTerminal.
	Terminated = DepartureReason(lists.Terminated)
)

var reasonNames = [...]string{Removed: "Removed", Moved: "Moved", Terminated: "Terminated"}

// String returns the reason's name.
func (r DepartureReason) String() string {
	if r >= Removed && int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("DepartureReason(%d)", uint8(r))
}

// WaitList blocks until a list changes above opts.MinQueryIndex: until a member arrives, changes or
// leaves. Changes of other lists never wake it. With MinQueryIndex 0 it returns all members at
// once. A MinQueryIndex above the last index waits for a change above it. A list that never had a
// member is empty, and a wait for it goes on until it gets one.
//
// The result shows the list at one index of the store: nothing is missing or shown twice. It has all
// members if it is Restored or Compacted. It is Compacted if MinQueryIndex is below the floor of
// compaction, which has forgotten departures. A floor that rises during the wait does not end it, but
// the result is Compacted if the floor has passed the awaited change before the reader runs.
//
// Errors: ErrInvalid for the zero Selector; ErrInvalidID for a prefix that no ID can start with;
// ctx's error as soon as ctx ends; ErrClosed; ErrFailed if the wait would block in a store that has
// failed. ErrCorrupt and ErrMutated come with the result, which lacks only the allocations that the
// error names: they are quarantined, or a caller has changed them. A wait returns the error of a
// quarantined allocation once for each of its changes, and with every full result. If its node, job and
// evaluation are unknown, it counts in every list of a node, a job or an evaluation. Running out of
// time is no error.
func (s *Store) WaitList(ctx context.Context, sel Selector, opts QueryOptions) (ListResult, error) {
	r, err := s.waitList(ctx, sel, opts)
	return *r, err
}

// waitList is WaitList with a pointer to the result. Its frames are those of a blocked reader, and
// small for the same reason as those of wait.
func (s *Store) waitList(ctx context.Context, sel Selector, opts QueryOptions) (*ListResult, error) {
	w := s.waiters.Get().(*watch.Waiter)
	var r *ListResult
	l, err := s.newListWait(w, sel, opts)
	if err == nil {
		r, err = l.begin(ctx)
	}
	for r == nil && err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-w.C():
			r, err = l.wake()
		}
	}
	s.watch.Deregister(w)
	s.waiters.Put(w)
	if r == nil {
		r = new(ListResult)
	}
	return r, err
}

// A listWait is one wait for a list.
//
// The hard part is a floor that rises while the reader is blocked: it must not end the wait, and yet
// no departure may be lost. The list's index tells that nothing has happened to it up to the
// store's last index at that time. And the signal of a change has the index of the first one since
// the reader registered. So a wait knows an index, its base, up to which the list has not changed
// since MinQueryIndex. It needs departures above its base alone, and these are forgotten only if
// the floor passes them between the signal and the look. Then the list's index does not tell of them
// either, since a list without members and departures is forgotten as a whole.
type listWait struct {
	s    *Store
	w    *watch.Waiter
	q    lists.Query
	opts QueryOptions
	base uint64 // not below the min; 0 if that is

	deadline time.Time // not after that of w
}

// newListWait returns a wait for a list, which has not begun.
//
//go:noinline
func (s *Store) newListWait(w *watch.Waiter, sel Selector, opts QueryOptions) (*listWait, error) {
	l := &listWait{s: s, w: w, opts: opts, base: opts.MinQueryIndex}
	var err error
	if l.q, err = sel.query(); err != nil {
		return nil, err
	}
	class, id := l.q.Watch()
	w.WatchClass(opts.MinQueryIndex, watch.Class(class), id)
	return l, nil
}

// begin returns the end of a wait that need not block. If there is neither a result nor an error,
// the waiter is registered and its time runs.
func (l *listWait) begin(ctx context.Context) (*ListResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.s.closed.Load() {
		return nil, ErrClosed
	}
	if r, err := l.look(0); r != nil || err != nil {
		return r, err
	}
	d := l.opts.timeout()
	l.deadline = time.Now().Add(d)
	l.s.watch.ExpireAfter(l.w, d)
	return l.register()
}

// register registers the waiter and looks again; see Store.register.
func (l *listWait) register() (*ListResult, error) {
	l.s.watch.Register(l.w)
	return l.result(0)
}

// wake returns the end of a wait that has received a signal, or nil to go on waiting.
func (l *listWait) wake() (*ListResult, error) {
	signal := l.w.Signal()
	if signal.Err != nil {
		return nil, signal.Err
	}
	if signal.Kind == watch.Changed {
		l.base = max(l.base, signal.Index-1)
	}
	if r, err := l.result(signal.Kind); r != nil || err != nil {
		return r, err
	}
	return l.register()
}

// result returns what the wait returns, or nil to go on waiting. kind is the signal received, 0 for
// none. The last index is read before the list's: a list without a change above the base has not
// changed up to it. The list's is read before the floor, since the list may be forgotten. After the
// signal of a change it is not asked: the list may have been forgotten since. So it may after the
// deadline; a change before that has another signal.
func (l *listWait) look(kind watch.Kind) (*ListResult, error) {
	for {
		st := l.s.state.Load()
		last := st.Index.Last()
		index := st.Lists.Index(l.q.Name, l.q.Variant)
		full := Outcome(0)
		switch {
		case l.w.Min() == 0:
			full = Changed
		case l.w.Min() < st.Restored || kind == watch.Restored:
			full = Restored
		case kind == 0 && l.base < st.Lists.Floor(): // at first, or since the last look
			full = Compacted
		case kind == watch.Expired && l.base < st.Lists.Floor() && !st.Lists.Trimmed().Before(l.deadline):
			full = Compacted
		case kind != watch.Changed && index <= l.base:
			l.base = max(l.base, last)
			if kind == watch.Expired {
				return &ListResult{Index: last, Outcome: TimedOut}, nil
			}
			return nil, nil
		}
		r, err := l.read(full)
		if errors.Is(err, ErrRestored) && !l.s.closed.Load() {
			continue // with the restored state
		}
		if r == nil && err == nil && kind == watch.Expired {
			r = &ListResult{Index: max(last, 1), Outcome: TimedOut}
		}
		return r, err
	}
}

// read reads the list on a snapshot. If full is an outcome, the result has it and all members. If full
// is 0, the result has the changes above the base, or is nil if there are none.
func (l *listWait) read(full Outcome) (*ListResult, error) {
	sn, err := l.s.Snapshot()
	if err != nil {
		return nil, err
	}
	defer sn.Close()
	st, err := sn.state()
	if err != nil {
		return nil, err
	}
	c := listReader{sn: sn, st: st, q: &l.q, result: new(ListResult), here: make(map[schema.ID]bool)}
	if full == 0 {
		c.above = l.base
	}
	gone, touched := c.since()
	if full == 0 && l.base < st.Lists.Floor() { // after the departures: the snapshot is not below the floor, the base may be
		full, c.above = Compacted, 0
		gone, touched = c.since()
	}
	c.result.Outcome, c.result.Full = cmp.Or(full, Changed), full != 0
	if err := c.read(gone, touched); err != nil {
		return nil, err
	}
	if !c.found && full == 0 {
		l.base = max(l.base, sn.index)
		return nil, nil
	}
	if full != 0 {
		c.result.Index = max(c.result.Index, st.Lists.Floor(), st.Restored, 1)
		c.result.Gone = nil
	}
	return c.result, c.faults
}

// A listReader reads the changes of a list above an index, on a snapshot.
type listReader struct {
	sn      *Snapshot
	st      *state.State
	q       *lists.Query
	above   uint64               // 0: everything
	touched map[schema.ID]uint64 // members that changed, though their version does not show it

	result   *ListResult
	reported map[schema.ID]bool // those in the result, and members that cannot be read
	found    bool               // there is a change, which may be in faults only
	faults   error              // of the allocations that cannot be read
}

// since returns the departures above the index, and the changes that versions do not show.
func (c *listReader) since() (gone, touched []lists.Departure) {
	return c.st.Lists.Since(c.q.Name, c.q.Variant, c.q.IDs, c.above, c.sn.index)
}

// read fills the result. An error is not limited to one allocation.
func (c *listReader) read(gone, touched []lists.Departure) error {
	for _, d := range touched {
		if c.touched == nil {
			c.touched = make(map[schema.ID]uint64)
		}
		c.touched[d.ID] = d.Index
	}
	if err := errors.Join(c.members(), c.unplaced()); err != nil {
		return err
	}
	c.gone(gone)
	_, err := c.sn.state()
	return err
}

// members adds the members that changed. In a long list it finds them by the log, if that is short.
func (c *listReader) members() error {
	ids, found, err := c.inLog()
	if err != nil {
		return err
	}
	if !found {
		return c.allMembers()
	}
	for _, id := range ids {
		if err := c.member(id); err != nil {
			return err
		}
	}
	return nil
}

const (
	// longList is the number of members from which on the log is read. logShare is the number of
	// members that can be looked at in the time of one record.
	longList = 1024
	logShare = 16
)

// inLog returns the members whose records are in the log above the index, in the order of their
// IDs. found is false if the store has too many records there: looking at all members is faster then.
// Compaction removes no record that the version at the snapshot's index needs.
func (c *listReader) inLog() (ids []schema.ID, found bool, err error) {
	members := c.st.Lists.Count(c.q.Name, c.q.Variant, c.q.IDs)
	if c.above == 0 || members < longList {
		return nil, false, nil
	}
	in := make(map[schema.ID]bool, len(c.touched)) // false: looked at, and not in the list
	for id := range c.touched {
		in[id] = true
	}
	next := record.FirstAfter(c.above)
	for budget := members / logShare; next.Index <= c.sn.index && !next.Exhausted(); budget -= recordsPerRead {
		if budget < 0 {
			return nil, false, nil
		}
		if next, err = c.readLog(next, in); err != nil {
			return nil, false, err
		}
	}
	// Read at last: an allocation that has left after the snapshot may have been looked at since.
	left, _ := c.st.Lists.Since(c.q.Name, c.q.Variant, c.q.IDs, c.sn.index, math.MaxUint64)
	for _, d := range left {
		in[d.ID] = true
	}
	for id, member := range in {
		if member {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, schema.ID.Compare)
	return ids, true, nil
}

// readLog sets in for the allocations of the next records, and returns the key of the record after
// them.
func (c *listReader) readLog(from record.Key, in map[schema.ID]bool) (next record.Key, err error) {
	n := 0
	next = record.FirstAfter(c.sn.index)
	err = c.st.File.View(func(t logfile.Tx) error {
		for e, err := range t.Records(from) {
			if err != nil || e.Key.Index > c.sn.index {
				return err
			}
			if n == recordsPerRead {
				next = e.Key
				return nil
			}
			n++
			if _, known := in[e.ID]; !known {
				in[e.ID] = c.q.IDs.Has(e.ID) && c.st.Lists.Has(c.q.Name, e.ID)
			}
		}
		return nil
	})
	return next, err
}

// allMembers looks at all members.
func (c *listReader) allMembers() error {
	p := newPager(c.st, c.q.Name, c.q.Variant, c.q.IDs, c.sn.index)
	defer p.release()
	for p.next() {
		p.lookUp()
		for i, id := range p.ids {
			if a := p.found.Allocs[i]; a != nil && a.ModifyIndex <= c.sn.index && c.changed(id, a.ModifyIndex, a.AllocModifyIndex) <= c.above {
				continue
			}
			if err := c.member(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// member adds one member if it changed.
func (c *listReader) member(id schema.ID) error {
	v := c.st.Table.Get(&id)
	if v == nil || v.Modified() <= c.sn.index && c.changed(id, v.Modified(), v.Scheduled()) <= c.above {
		return nil
	}
	a, err := c.sn.at(id)
	if err != nil {
		c.reported[id] = true
		return c.fault(v, err)
	}
	if !c.q.Holds(a) {
		return nil
	}
	if index := c.changed(id, a.ModifyIndex, a.AllocModifyIndex); index > c.above {
		c.add(index)
		c.reported[id] = true
		c.result.Changed = append(c.result.Changed, a)
	}
	return nil
}

// unplaced adds the errors of quarantined allocations that may belong to the list.
func (c *listReader) unplaced() (err error) {
	name := lists.Name{Kind: lists.Unplaced}
	if !c.q.Name.Named() || c.st.Lists.Index(name, 0) == 0 {
		return nil
	}
	p := newPager(c.st, name, 0, c.q.IDs, c.sn.index)
	defer p.release()
	for err == nil && p.next() {
		for _, id := range p.ids {
			v := c.st.Table.Get(&id)
			if v == nil || v.Modified() <= c.above || c.st.Lists.Has(c.q.Name, id) {
				continue
			}
			if _, fault := c.sn.at(id); fault != nil {
				c.here[id] = true // it is unknown whether it has left
				err = errors.Join(err, c.fault(v, fault))
			}
		}
	}
	return err
}

// fault notes that an allocation cannot be read, or returns err if it is not limited to one.
func (c *listReader) fault(v *state.Version, err error) error {
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMutated) {
		return err
	}
	c.faults = errors.Join(c.faults, err)
	c.add(min(v.Modified(), c.sn.index))
	return nil
}

// add notes that something happened at an index.
func (c *listReader) add(index uint64) {
	c.found = true
	c.result.Index = max(c.result.Index, index)
}

// changed returns the index of a member's latest change that counts in the list.
func (c *listReader) changed(id schema.ID, modified, scheduled uint64) uint64 {
	if c.q.Placements() {
		return max(scheduled, c.touched[id])
	}
	return modified
}

// gone adds the departures of those that are not back, each once.
func (c *listReader) gone(all []lists.Departure) {
	for i := len(all) - 1; i >= 0; i-- {
		d := &all[i]
		c.add(d.Index)
		if !c.reported[d.ID] {
			c.reported[d.ID] = true
			c.result.Gone = append(c.result.Gone, Departure{ID: d.ID.String(), Index: d.Index, Reason: DepartureReason(d.Reason)})
		}
	}
	slices.Reverse(c.result.Gone)
}
