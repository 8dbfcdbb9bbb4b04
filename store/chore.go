package store

import (
	"encoding/binary"

	"go.etcd.io/bbolt"
)

// A chore is what the committer does for compaction: it removes dead records, a
// few with each group, or goes on with a new file.
type chore struct {
	victims []victim
	floor   uint64
	rewrite *rewrite // nil, or there are no victims

	paced bool // some of it went along with what writers wrote
	ended chan error
}

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

// quota is how many of the chore's records go with this group.
func (c *committer) quota() int {
	n := len(c.chore.victims)
	if written := len(c.plan.changes); written > 0 {
		c.chore.paced = true
		n = min(n, max(removeLeast, removeEach*written))
	}
	return n
}

// remove removes some of the chore's records in tx.
func (c *committer) remove(tx *bbolt.Tx) error {
	if c.chore == nil || len(c.chore.victims) == 0 {
		return nil
	}
	log := tx.Bucket(logBucket)
	var buf [keyLen]byte
	for i := range c.quota() {
		v := &c.chore.victims[i]
		if v.forget {
			newest := c.plan.newest(&v.id)
			if v.stays = newest == nil || newest.pair().newest() != v.key; v.stays {
				continue
			}
		}
		if err := log.Delete(v.key.appendTo(buf[:0])); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(floorKey, binary.BigEndian.AppendUint64(nil, c.chore.floor))
}

// swapFile goes on with the new file, if the chore is that.
func (c *committer) swapFile() {
	if c.chore == nil || c.chore.rewrite == nil {
		return
	}
	unknown, err := false, c.chore.rewrite.finish()
	if err == nil {
		unknown, err = c.chore.rewrite.swap()
		c.unsettled = true
	}
	if unknown {
		c.giveUp(err)
		return
	}
	c.chore.end(err)
	c.chore = nil
}

// removed takes note of what the transaction just committed has removed.
func (c *committer) removed() {
	if c.chore == nil || c.chore.rewrite != nil {
		return
	}
	n := 0
	if len(c.chore.victims) > 0 {
		n = c.quota()
	}
	for i := range c.chore.victims[:n] {
		v := &c.chore.victims[i]
		if v.stays {
			continue
		}
		c.s.tally.log.Add(-int64(v.size))
		if v.forget && c.s.table.forget(&v.id, v.key) {
			c.s.tally.live.Add(-int64(v.size))
			c.s.counts.tombstones.Add(-1)
		}
	}
	if c.chore.victims = c.chore.victims[n:]; len(c.chore.victims) == 0 {
		c.chore.end(nil)
		c.chore = nil
	}
}
