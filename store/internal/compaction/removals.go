package compaction

import (
	"errors"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// Removals are dead records on their way out of the log. The sweeper makes them, and the committer
// removes some with each group, until Done. Nil removals remove nothing. One goroutine at a time uses
// them.
type Removals struct {
	// Dead are the records that were not removed yet.
	Dead []DeadRecord

	floor  uint64        // of the pass
	pauses *atomic.Int32 // of the sweeper; nil for none
	now    []DeadRecord  // of Dead, the ones of the current transaction
	err    error         // why the rest stays: ErrNoSpace, or errPaused
	paced  bool          // some were removed along with the records of writers
}

// errPaused ends the removals of a sweeper that was paused.
var errPaused = errors.New("compaction is paused")

// A DeadRecord is a record that no reader needs.
type DeadRecord struct {
	key  record.Key
	id   schema.ID
	size int    // bytes in the file, key included
	sum  uint64 // its number in the content sum

	// forget: the record is the newest version of its ID, a tombstone, and the ID is forgotten
	// with it. stays: the ID was placed again, and the record is kept, since the new one
	// refers to it.
	forget, stays bool
}

// The number of records removed in one transaction follows the number written, so the file
// shrinks under any load and a writer's commit becomes little longer.
const (
	removedPerWrite = 4
	minRemoved      = 64 // beside writes
)

// Apply removes some of the records in tx, along with that many written records, and puts the
// floor of the pass into m and tx. newest returns the newest version of an ID as of tx. On a full
// disk, or after Sweeper.Pause, it removes nothing, and the removals end; Done then has the reason.
// After an error tx must not be committed.
func (r *Removals) Apply(tx logfile.Tx, m *logfile.Manifest, written int, newest func(*schema.ID) *state.Version) error {
	if r == nil {
		return nil
	}
	if r.pauses != nil && r.pauses.Load() > 0 {
		r.stop(errPaused)
		return nil
	}
	n := len(r.Dead)
	if written > 0 {
		r.paced = true
		n = min(n, max(minRemoved, removedPerWrite*written))
	}
	n, err := roomFor(tx, n)
	if errors.Is(err, logfile.ErrNoSpace) {
		r.stop(err)
		return nil
	}
	if err != nil {
		return err
	}
	r.now = r.Dead[:n]
	remover := tx.Remover()
	for i := range r.now {
		d := &r.now[i]
		if d.forget {
			v := newest(&d.id)
			if d.stays = v == nil || v.Pair().Newest() != d.key; d.stays {
				continue
			}
		}
		if err := remover.Remove(d.key, d.sum); err != nil {
			return err
		}
		m.Sum.Remove(d.sum)
	}
	m.Floor = max(m.Floor, r.floor) // a restore may have been marked since the pass began
	return m.PutMarks(tx)
}

// stop ends the removals. The rest stays.
func (r *Removals) stop(why error) { r.now, r.err, r.Dead = nil, why, nil }

// removedBytes bounds the bytes that the removal of one record writes: the page that it was in.
const removedBytes = 4 << 10

// roomFor returns how many of n records may be removed in tx. A full disk makes it fewer: each
// removal frees about as many pages for the next transaction as it takes.
func roomFor(tx logfile.Tx, n int) (int, error) {
	for ; ; n /= 2 {
		err := tx.Room(int64(n)*removedBytes/2, logfile.ForCompaction)
		if err == nil || !errors.Is(err, logfile.ErrNoSpace) || n <= 1 {
			return n, err
		}
	}
}

// Committed notes in st the removals of the committed transaction, which Apply was called in.
func (r *Removals) Committed(st *state.State) {
	if r == nil {
		return
	}
	for i := range r.now {
		if d := &r.now[i]; !d.stays {
			st.RecordRemoved(d.id, d.key, d.size, d.forget)
		}
	}
	r.Dead = r.Dead[len(r.now):]
}

// Done reports whether nothing is left to remove, and why the records could not be removed:
// ErrNoSpace, a pause, or nil if they were. Nil removals are never done.
func (r *Removals) Done() (done bool, err error) {
	if r == nil {
		return false, nil
	}
	return len(r.Dead) == 0, r.err
}
