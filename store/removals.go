package store

import (
	"errors"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// removals are dead records that the sweeper hands to the committer, which removes some
// with each group.
type removals struct {
	dead  []deadRecord // not removed yet
	now   []deadRecord // of these, the ones of the current transaction
	floor uint64
	err   error // why none could be removed: ErrNoSpace
	paced bool  // some were removed along with the records of writers
}

// A deadRecord is a record that no reader needs.
type deadRecord struct {
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

// apply removes some of the records in tx, along with that many written records. newest
// returns the newest version of an ID as of tx. A nil r removes nothing.
func (r *removals) apply(tx logfile.Tx, m *logfile.Manifest, written int, newest func(*schema.ID) *state.Version) error {
	if r == nil {
		return nil
	}
	n := len(r.dead)
	if written > 0 {
		r.paced = true
		n = min(n, max(minRemoved, removedPerWrite*written))
	}
	n, err := roomFor(tx, n)
	if errors.Is(err, ErrNoSpace) {
		r.now, r.err, r.dead = nil, err, nil
		return nil
	}
	if err != nil {
		return err
	}
	r.now = r.dead[:n]
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
	m.Floor = r.floor
	return m.PutMarks(tx)
}

// removedBytes is what the removal of one record may write: the page that it was in.
const removedBytes = 4 << 10

// roomFor returns how many of n records may be removed in tx. A full disk makes it fewer, each of
// which frees about as many pages for the next transaction as it takes.
func roomFor(tx logfile.Tx, n int) (int, error) {
	for ; ; n /= 2 {
		err := tx.Room(int64(n)*removedBytes/2, logfile.ForCompaction)
		if err == nil || !errors.Is(err, ErrNoSpace) || n <= 1 {
			return n, err
		}
	}
}

// committed notes in st the removals of the committed transaction.
func (r *removals) committed(st *state.State) {
	if r == nil {
		return
	}
	for i := range r.now {
		if d := &r.now[i]; !d.stays {
			st.RecordRemoved(d.id, d.key, d.size, d.forget)
		}
	}
	if r.err == nil {
		r.dead = r.dead[len(r.now):]
	}
}
