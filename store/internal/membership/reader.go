package membership

import (
	"errors"
	"slices"

	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A Reader finds the effects of records on one list.
type Reader struct {
	st   *state.State
	q    *lists.Query
	list lists.Matcher

	LookUps int // the number of records that were read beside those of the log
}

// NewReader returns a Reader of the records up to a last index that the caller has read before. For
// later records it makes another. The query must not change.
func NewReader(st *state.State, q *lists.Query) Reader {
	return Reader{st: st, q: q, list: st.Lists.Matcher(q.Name)}
}

// Effect returns the reason why the allocation of the record e left the list, 0 if it did not, and
// whether it arrived or changed in it. v is the newest version of the allocation, or nil. An error is
// ErrCorrupt: the version after the record is damaged, and may be in the list. Effect reads the file.
func (r *Reader) Effect(t logfile.Tx, e *logfile.Entry, v *state.Version) (left lists.Reason, changed bool, err error) {
	is, err := r.standing(t, e, v, e.PairAt(e.Key))
	if err != nil || !is.named && e.Flags&(record.FlagSched|record.FlagTombstone) == 0 {
		return 0, false, err // in the second case it was elsewhere, and stays there
	}
	was, err := r.before(t, e, v)
	switch {
	case err != nil:
	case !r.holds(&is):
		if r.holds(&was) {
			left = is.reason()
		}
	case !r.holds(&was) || !r.q.Placements() || e.Flags&record.FlagSched != 0:
		changed = true
	default:
		changed, err = r.linked(t, e)
	}
	if errors.Is(err, record.ErrCorrupt) {
		left, changed = r.remembered(e, &is)
		err = nil
	}
	return left, changed, err
}

// A standing decides whether one version of an allocation is in the list.
type standing struct {
	exists, named bool                // named: it has the list's name
	terminal      lists.TerminalFlags // as far as the list needs them
}

func (r *Reader) holds(s *standing) bool {
	return s.named && !(r.q.NonTerminal() && s.terminal != 0)
}

// reason returns the reason of a departure after which the allocation has the standing s.
func (s *standing) reason() lists.Reason {
	switch {
	case !s.exists:
		return lists.Removed
	case !s.named:
		return lists.Moved
	}
	return lists.Terminated
}

// standing returns the standing of the version that p locates, which is the one after e or an earlier
// one. v is the newest version, or nil.
func (r *Reader) standing(t logfile.Tx, e *logfile.Entry, v *state.Version, p record.Pair) (s standing, err error) {
	known := v != nil && !v.Place.Unplaced()
	sched, client := known && p.Sched == v.Pair().Sched, known && p.Client == v.Pair().Client
	switch {
	case p == record.Pair{}, sched && v.Tombstone():
		return standing{}, nil
	case sched:
		s = standing{true, r.list.Holds(&v.Place), v.Place.Terminal & lists.ServerTerminal}
	default:
		s, err = r.placed(t, e, p.Sched)
	}
	switch {
	case err != nil || !s.named || !r.q.NonTerminal() || s.terminal != 0:
	case client:
		s.terminal = v.Place.Terminal & lists.ClientTerminal
	default:
		s.terminal, err = r.ended(t, e, p.Client)
	}
	return s, err
}

// placed returns the standing by the scheduler's part in the record at k.
func (r *Reader) placed(t logfile.Tx, e *logfile.Entry, k record.Key) (s standing, err error) {
	rec, err := r.record(t, e, k)
	if err != nil || rec.Tombstone() {
		return s, err
	}
	if rec.Sched == "" {
		return s, record.CorruptAt(k, "no scheduler's part")
	}
	p, err := r.st.Codec.Placement(rec.Sched)
	if err != nil {
		return s, record.CorruptAt(k, "scheduler's part: %v", err)
	}
	of := lists.PlacementOf(p)
	return standing{true, of.In(r.q.Name), lists.TerminalOf(p.DesiredStatus, "")}, nil
}

// ended returns by the client's part in the record at k whether the allocation is terminal.
func (r *Reader) ended(t logfile.Tx, e *logfile.Entry, k record.Key) (lists.TerminalFlags, error) {
	rec, err := r.record(t, e, k)
	if err != nil {
		return 0, err
	}
	if rec.Client == "" {
		return 0, record.CorruptAt(k, "no client's part")
	}
	status, err := r.st.Codec.ClientStatus(rec.Client)
	if err != nil {
		return 0, record.CorruptAt(k, "client's part: %v", err)
	}
	return lists.TerminalOf("", status), nil
}

// record returns the record at k of e's allocation. It is e, or an earlier one.
func (r *Reader) record(t logfile.Tx, e *logfile.Entry, k record.Key) (record.Record, error) {
	switch {
	case k != e.Key:
		r.LookUps++
		return t.Version(e.ID, k)
	case e.Damaged:
		return e.Record, record.CorruptAt(k, "%v", record.ErrDamaged)
	}
	return e.Record, nil
}

// before returns the standing before the record. If the record inserts the allocation, compaction may
// have removed the version before, a tombstone.
func (r *Reader) before(t logfile.Tx, e *logfile.Entry, v *state.Version) (standing, error) {
	s, err := r.standing(t, e, v, e.Prev)
	inserts := e.Flags&record.FlagSched != 0 && e.Created == e.Key.Index
	if err != nil && inserts && e.Prev.Newest().Index <= r.st.Floor.Load() {
		return standing{}, nil
	}
	return s, err
}

// linked reports whether the record set NextAllocation, or set it to another ID.
func (r *Reader) linked(t logfile.Tx, e *logfile.Entry) (bool, error) {
	if e.Flags&record.FlagNext == 0 {
		return false, nil
	}
	before, err := r.record(t, e, e.Prev.Newest())
	return before.Flags&record.FlagNext == 0 || before.Next != e.Next, err
}

// remembered is Effect for a record whose version before cannot be read. The history of the list
// tells its effect, so a stream passes the deletion of a quarantined allocation.
func (r *Reader) remembered(e *logfile.Entry, is *standing) (left lists.Reason, changed bool) {
	gone, touches := r.st.Lists.Since(r.q, e.Key.Index-1, e.Key.Index)
	of := func(d lists.Departure) bool { return d.ID == e.ID }
	if r.holds(is) {
		return 0, !r.q.Placements() || e.Flags&record.FlagSched != 0 || slices.ContainsFunc(touches, of)
	}
	if i := slices.IndexFunc(gone, of); i >= 0 {
		left = gone[i].Reason
	}
	return left, false
}
