package store

import (
	"errors"
	"iter"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/state"
)

// Allocations is a sequence of allocations in the order of their IDs. They are shared and
// must not be changed. An error comes with a nil allocation and ends the sequence, except
// the ErrCorrupt of a quarantined allocation, after which the sequence goes on if the
// caller does.
type Allocations = iter.Seq2[*schema.Allocation, error]

// List returns the allocations of a list at the snapshot's index, in the order of their IDs. With
// NonTerminal it does not touch those that are left out. It blocks while it reads the file, and
// holds no lock while the caller has an allocation.
//
// A quarantined allocation is ErrCorrupt in its place. If its node, job and evaluation are unknown,
// the error comes at the end of every list of a node, a job or an evaluation, since it may belong
// there.
//
// Other errors end the sequence: ErrInvalid for the zero Selector; ErrInvalidID for a prefix that no
// ID can start with; ErrClosed; ErrRestored; ErrCompacted as of [Snapshot.Get]; ErrMutated.
func (sn *Snapshot) List(sel Selector) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		q, err := sel.query()
		if err != nil {
			yield(nil, err)
			return
		}
		if sn.members(&q, yield) {
			sn.unplaced(&q, yield)
		}
	}
}

// members yields the members of a list, and returns false if it was stopped.
//
// A member whose newest version is in memory costs a look into the table and one at the
// allocation. The looks of a page are made side by side; see Table.Residents. A newest version is not
// asked whether it belongs to the list: the lists are exact as of the newest versions.
func (sn *Snapshot) members(q *lists.Query, yield func(*schema.Allocation, error) bool) bool {
	st, err := sn.state()
	if err != nil {
		yield(nil, err)
		return false
	}
	p := newPager(st, q, sn.index)
	defer p.release()
	for p.next() {
		p.lookUp()
		unchanged := st.Begun.Load() <= sn.index // read after the lookups: no version is newer
		if _, err := sn.state(); err != nil {
			yield(nil, err)
			return false
		}
		for i, a := range p.found.Allocs[:len(p.ids)] {
			var err error
			if a != nil && (unchanged || a.ModifyIndex <= sn.index) {
				sn.c.hit()
				a, err = sn.c.handOut(a, nil)
			} else if a, err = sn.at(p.ids[i]); err == nil && !q.Holds(a) {
				continue
			}
			if !yield(a, err) || err != nil && !errors.Is(err, ErrCorrupt) {
				return false
			}
		}
	}
	return true
}

// newest returns a, the resident allocation of an ID, if it is the one at the snapshot's index,
// else nil.
func (sn *Snapshot) newest(a *schema.Allocation) (*schema.Allocation, error) {
	if a == nil || a.ModifyIndex > sn.index {
		return nil, nil
	}
	if _, err := sn.state(); err != nil {
		return nil, err
	}
	sn.c.hit()
	return sn.c.handOut(a, nil)
}

// unplaced yields the errors of the quarantined allocations that may belong to the list.
func (sn *Snapshot) unplaced(q *lists.Query, yield func(*schema.Allocation, error) bool) {
	st, err := sn.state()
	if err != nil {
		return
	}
	sn.eachUnplaced(st, q, func(id schema.ID) bool {
		_, err := sn.at(id)
		return err == nil || yield(nil, err)
	})
}

// eachUnplaced calls fn, until it returns false, for the allocations of unknown placement that may
// belong to the list and are not among its members. As with a Cursor, some may have come later.
func (sn *Snapshot) eachUnplaced(st *state.State, q *lists.Query, fn func(schema.ID) bool) {
	all := lists.Query{Name: lists.Name{Kind: lists.Unplaced}, IDs: q.IDs}
	if !q.Name.Named() || st.Lists.Index(all.Name, 0) == 0 { // the latter as in a file without damage
		return
	}
	p := newPager(st, &all, sn.index)
	defer p.release()
	for p.next() {
		for _, id := range p.ids {
			if !st.Lists.Has(q.Name, id) && !fn(id) {
				return
			}
		}
	}
}

// Len returns the number of allocations in a list at the snapshot's index, those in quarantine
// too. It takes no longer for a long list, unless members have come or gone since the snapshot
// was taken, or the scheduler has written them: then it looks at all of them, and may read the file.
//
// Errors: ErrInvalid for the zero Selector; ErrInvalidID for a prefix that no ID can start with;
// ErrClosed; ErrRestored; ErrCompacted as of [Snapshot.Get]; ErrCorrupt, with the number of the
// other allocations, if the node, job and evaluation of one are unknown.
func (sn *Snapshot) Len(sel Selector) (int, error) {
	q, err := sel.query()
	if err != nil {
		return 0, err
	}
	st, err := sn.state()
	if err != nil {
		return 0, err
	}
	n := st.Lists.Count(&q)
	if st.Lists.Index(q.Name, q.Variant|lists.Placements) > sn.index { // read after the number
		if n, err = sn.count(st, &q); err != nil {
			return 0, err
		}
	}
	sn.unplaced(&q, func(_ *schema.Allocation, e error) bool {
		err = e
		return false
	})
	if _, e := sn.state(); e != nil {
		return 0, e
	}
	return n, err
}

// count returns the number of members, counted one by one.
func (sn *Snapshot) count(st *state.State, q *lists.Query) (n int, err error) {
	p := newPager(st, q, sn.index)
	defer p.release()
	for p.next() {
		for _, id := range p.ids {
			v := st.Table.Get(&id)
			if v != nil && v.Modified() <= sn.index {
				n++
				continue
			}
			a, err := sn.at(id)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return 0, err
			}
			if err != nil || q.Holds(a) {
				n++
			}
		}
	}
	return n, nil
}

// GetMany returns the allocations with these IDs at the snapshot's index, in the order given. They
// are shared and must not be changed. It is faster than a loop of Get, and like Get blocks while it
// reads the file.
//
// The error of one ID names the ID and comes in its place: ErrNotFound, ErrInvalidID, ErrCorrupt or
// ErrMutated. The sequence goes on after it if the caller does. ErrClosed ends the sequence, and so
// does ErrCompacted, after a CatchUp or a Restore.
func (sn *Snapshot) GetMany(ids []string) iter.Seq2[*schema.Allocation, error] {
	return func(yield func(*schema.Allocation, error) bool) {
		st, err := sn.state()
		if err != nil {
			yield(nil, err)
			return
		}
		table := func() *state.Table { return &st.Table }
		getMany(table, ids, func(id string, a *schema.Allocation) bool {
			a, err := sn.newest(a)
			if a == nil && err == nil {
				a, err = sn.Get(id)
			}
			return yield(a, err) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrCompacted)
		})
	}
}

// getMany calls fn with each ID and its resident allocation, or nil, until fn returns false. It asks
// for the table for each page: the store may have been restored.
func getMany(table func() *state.Table, ids []string, fn func(id string, a *schema.Allocation) bool) {
	p := pagers.Get().(*pager)
	defer p.release()
	invalid := false
	for len(ids) > 0 {
		n := min(len(ids), lists.PageLen)
		prefetch(ids[:n])
		for i, id := range ids[:n] {
			var err error
			if p.parsed[i], err = schema.ParseID(id); err != nil {
				invalid = true // and the zero ID, which may be an allocation's
			}
		}
		table().Residents(p.parsed[:n], &p.found)
		for i, id := range ids[:n] {
			a := p.found.Allocs[i]
			if invalid && p.parsed[i] == (schema.ID{}) {
				a = nil
			}
			if !fn(id, a) {
				return
			}
		}
		ids = ids[n:]
	}
}

// prefetch reads the first byte of each text. The processor misses its caches for many at once,
// while parsing one after the other would wait for each. The result is for the compiler, which
// would leave the reads out.
//
//go:noinline
func prefetch(ids []string) (sum byte) {
	for _, id := range ids {
		if len(id) > 0 {
			sum += id[0]
		}
	}
	return sum
}

// GetMany returns the newest allocations with these IDs, in the order given. Like a loop of Get it
// shows each as of the moment when it is looked up, and is faster. The memory and the errors are as
// of [Snapshot.GetMany], without ErrRestored.
func (s *Store) GetMany(ids []string) iter.Seq2[*schema.Allocation, error] {
	return func(yield func(*schema.Allocation, error) bool) {
		table := func() *state.Table { return &s.state.Load().Table }
		getMany(table, ids, func(id string, a *schema.Allocation) (more bool) {
			if a == nil || s.closed.Load() {
				a, err := s.Get(id)
				return yield(a, err) && !errors.Is(err, ErrClosed)
			}
			s.hit()
			return yield(s.handOut(a, nil))
		})
	}
}

// List returns the allocations of a list, all at the index at which the iteration begins. A snapshot
// is open until the iteration ends. See [Snapshot.List].
func (s *Store) List(sel Selector) Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		sn, err := s.Snapshot()
		if err != nil {
			yield(nil, err)
			return
		}
		defer sn.Close()
		sn.List(sel)(yield)
	}
}

// Len returns the number of allocations in a list. See [Snapshot.Len].
func (s *Store) Len(sel Selector) (int, error) {
	sn, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	defer sn.Close()
	return sn.Len(sel)
}

// ByNode is List of a Node.
func (sn *Snapshot) ByNode(nodeID string) Allocations { return sn.List(Node(nodeID)) }

// ByJob is List of a Job.
func (sn *Snapshot) ByJob(jobID string) Allocations { return sn.List(Job(jobID)) }

// ByEval is List of an Eval.
func (sn *Snapshot) ByEval(evalID string) Allocations { return sn.List(Eval(evalID)) }

// ByPrefix is List of a Prefix.
func (sn *Snapshot) ByPrefix(prefix string) Allocations { return sn.List(Prefix(prefix)) }

// All is List of Everything.
func (sn *Snapshot) All() Allocations { return sn.List(Everything()) }

// ByNode is List of a Node.
func (s *Store) ByNode(nodeID string) Allocations { return s.List(Node(nodeID)) }

// ByJob is List of a Job.
func (s *Store) ByJob(jobID string) Allocations { return s.List(Job(jobID)) }

// ByEval is List of an Eval.
func (s *Store) ByEval(evalID string) Allocations { return s.List(Eval(evalID)) }

// ByPrefix is List of a Prefix.
func (s *Store) ByPrefix(prefix string) Allocations { return s.List(Prefix(prefix)) }

// All is List of Everything.
func (s *Store) All() Allocations { return s.List(Everything()) }
