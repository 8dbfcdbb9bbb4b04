package store

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
)

// A chore is work that others have for the committer: dead records to remove, a few
// with each group, or something to do between two groups.
type chore struct {
	victims []victim // not removed yet
	going   []victim // of them, those that go with this group
	floor   uint64
	paced   bool // some of them went along with what writers wrote

	// between is called once, when nothing is under way; nil if there are victims.
	// unknown says that after the error a crash might leave the old file or a new one:
	// the store then fails.
	between func() (unknown bool, err error)

	ended chan error
}

// removes reports whether there is a chore, and it is to remove records.
func (ch *chore) removes() bool { return ch != nil && ch.between == nil }

// end tells whoever waits for the chore what became of it. A nil chore has nobody.
func (ch *chore) end(err error) {
	if ch != nil {
		ch.ended <- err
	}
}

// How many records are removed in one transaction: in step with those that are
// written, so that the file shrinks under any load, and a writer's commit does not
// become much longer.
const (
	removeEach  = 4  // for each record that is written
	removeLeast = 64 // in a transaction with others'
)

// do has the committer do a chore, and blocks until that is over. There is one at
// a time.
func (c *committer) do(ch *chore) error {
	ch.ended = make(chan error, 1)
	c.queue.Lock()
	err := c.queue.err
	if err == nil {
		c.queue.chore = ch
		c.queue.changed.Signal()
	}
	c.queue.Unlock()
	if err != nil {
		return err
	}
	return <-ch.ended
}

// removeDead removes dead records from the log, as of the floor, and blocks until
// all are gone. It reports whether the pace was that of writers.
func (c *committer) removeDead(dead []victim, floor uint64) (paced bool, err error) {
	ch := &chore{victims: dead, floor: floor}
	err = c.do(ch)
	return ch.paced, err
}

// between has the committer call look between two groups, and blocks until it has.
// In a store that is read-only there are no groups.
func (c *committer) between(look func()) error {
	if c.s.opts.ReadOnly {
		look()
		return nil
	}
	return c.do(&chore{between: func() (bool, error) {
		look()
		return false, nil
	}})
}

// remove removes some of the chore's records in tx.
func (c *committer) remove(tx *bbolt.Tx) error {
	ch := c.chore
	if !ch.removes() {
		return nil
	}
	n := len(ch.victims)
	if written := len(c.plan.changes); written > 0 {
		ch.paced = true
		n = min(n, max(removeLeast, removeEach*written))
	}
	ch.going = ch.victims[:n]
	log := tx.Bucket(logBucket).Cursor()
	var buf [keyLen]byte
	for i := range ch.going {
		v := &ch.going[i]
		if v.forget {
			newest := c.plan.newest(&v.id)
			if v.stays = newest == nil || newest.pair().newest() != v.key; v.stays {
				continue
			}
		}
		k := v.key.appendTo(buf[:0])
		if at, value := log.Seek(k); !bytes.Equal(at, k) || ofRecord(v.key, value) != v.sum {
			return corruptAt(v.key, "not there any more when it was to be removed")
		}
		if err := log.Delete(); err != nil {
			return err
		}
		c.s.holds.sum.remove(v.sum)
	}
	c.s.holds.floor = ch.floor
	return tx.Bucket(metaBucket).Put(floorKey, binary.BigEndian.AppendUint64(nil, ch.floor))
}

// other does the chore, if that is not to remove records.
func (c *committer) other() {
	if c.chore == nil || c.chore.removes() {
		return
	}
	unknown, err := c.chore.between()
	if unknown {
		c.giveUp(err)
		return
	}
	c.chore.end(err)
	c.chore = nil
}

// removed takes note of what the transaction just committed has removed.
func (c *committer) removed() {
	ch := c.chore
	if !ch.removes() {
		return
	}
	for i := range ch.going {
		v := &ch.going[i]
		if v.stays {
			continue
		}
		c.s.tally.log.Add(-int64(v.size))
		c.s.quarantine.forget(v.key)
		if v.forget && c.s.table.forget(&v.id, v.key) {
			c.s.tally.live.Add(-int64(v.size))
			c.s.counts.tombstones.Add(-1)
		}
	}
	if ch.victims = ch.victims[len(ch.going):]; len(ch.victims) == 0 {
		ch.end(nil)
		c.chore = nil
	}
}
