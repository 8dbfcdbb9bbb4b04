package store

import (
	"context"
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"

	"allocstore/store/internal/record"
)

// Sweep makes one pass of compaction.
func (s *Store) Sweep(ctx context.Context) error { return s.sweeper.pass(ctx) }

// CompactAround compacts, and calls between when everything was copied and nothing is
// exchanged yet.
func (s *Store) CompactAround(ctx context.Context, between func()) error {
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	st := s.state.Load()
	n, err := st.File.NewSuccessor()
	if err != nil {
		return err
	}
	rw := newRewrite(n, st)
	if _, err = rw.catchUp(ctx); err == nil {
		between()
		err = rw.run(ctx, s.committer)
	}
	return errors.Join(err, n.Close())
}

// ResidentBytes adds up what Stats.ResidentBytes keeps account of.
func (s *Store) ResidentBytes() (sum int64) {
	for _, v := range s.state.Load().Table.All() {
		if a := v.Scheduled(); a != nil {
			sum += int64(codec.Footprint(a))
		}
	}
	return sum
}

// Rebind moves the content sum in the file from the transaction before tx to tx.
func Rebind(tx *bbolt.Tx) error {
	meta, txid := tx.Bucket([]byte("meta")), uint64(tx.ID())
	v := meta.Get([]byte("sum"))
	if v == nil {
		return nil
	}
	n := binary.BigEndian.Uint64(v) + record.TransactionNumber(txid) - record.TransactionNumber(txid-1)
	return meta.Put([]byte("sum"), binary.BigEndian.AppendUint64(nil, n))
}
