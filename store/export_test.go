package store

import (
	"context"
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
)

// Sweep makes one pass of compaction.
func (s *Store) Sweep(ctx context.Context) error { return s.sweeper.pass(ctx) }

// Rebind has the sum in the file be one of tx, whose transaction was the one before.
func Rebind(tx *bbolt.Tx) error {
	meta, txid := tx.Bucket(metaBucket), uint64(tx.ID())
	v := meta.Get(sumKey)
	if v == nil {
		return nil
	}
	n := binary.BigEndian.Uint64(v) + bindings(txid) - bindings(txid-1)
	return meta.Put(sumKey, binary.BigEndian.AppendUint64(nil, n))
}

// bindings is what a transaction adds to a sum.
func bindings(txid uint64) uint64 {
	c := new(contents)
	return binary.BigEndian.Uint64(c.encodedIn(txid)) - c.total()
}

// CompactAround compacts, and calls between when everything has been copied and
// nothing is exchanged yet.
func (s *Store) CompactAround(ctx context.Context, between func()) error {
	if err := s.sweeper.takeTurn(ctx); err != nil {
		return err
	}
	defer s.sweeper.endTurn()
	n, err := newSuccessor(s)
	if err != nil {
		return err
	}
	rw := &rewrite{successor: n, jobs: make(map[jobHash]bool)}
	if _, err = rw.catchUp(ctx); err == nil {
		between()
		err = rw.run(ctx)
	}
	return errors.Join(err, n.close())
}

// ResidentBytes adds up what Stats.ResidentBytes keeps account of.
func (s *Store) ResidentBytes() (sum int64) {
	for _, v := range s.table.all() {
		if a := v.alloc.Load(); a != nil {
			sum += int64(a.Footprint())
		}
	}
	return sum
}
