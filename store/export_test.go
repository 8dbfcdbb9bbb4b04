package store

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/compaction"
	"allocstore/store/internal/record"
)

// Sweep makes one pass of compaction.
func (s *Store) Sweep(ctx context.Context) error { return s.sweeper.pass(ctx) }

// Look looks at the file as the sweeper does every second.
func (s *Store) Look() { s.lookout.lookAside() }

// CompactAround compacts, and calls between after the copying and before the exchange of the
// files.
func (s *Store) CompactAround(ctx context.Context, between func()) error {
	if err := s.maintenance.lock(ctx); err != nil {
		return err
	}
	defer s.maintenance.unlock()
	return compaction.Rewrite(ctx, s.state.Load(), func(fn func() error) error {
		between()
		return s.committer.barrier(fn)
	})
}

// ResidentBytes adds up the resident allocations, for comparison with Stats.ResidentBytes.
func (s *Store) ResidentBytes() (sum int64) {
	for _, v := range s.state.Load().Table.All() {
		if a := v.DecodedScheduler(); a != nil {
			sum += int64(codec.Footprint(a))
		}
	}
	return sum
}

// An Account is the size of a batch, by which it is limited, and the hashes of its jobs.
type Account struct {
	Size, Largest, LargestAt, Len int
	Jobs                          map[record.JobHash]string
	LastJob                       string
}

// Account returns the account of the batch.
func (b *Batch) Account() Account {
	a := Account{Size: b.size, Largest: b.largest, LargestAt: b.largestAt, Len: b.Len(), Jobs: map[record.JobHash]string{}}
	for hash, j := range b.jobs {
		a.Jobs[hash] = j.Body
	}
	if b.lastJob != nil {
		a.LastJob = b.lastJob.Body
	}
	return a
}

// ListsFloor returns the index up to which the lists have forgotten departures.
func (s *Store) ListsFloor() uint64 { return s.state.Load().Lists.Floor() }

// Hold keeps the committer from the queue until release is called, so that the batches that are
// queued meanwhile are one group.
func (s *Store) Hold() (release func()) {
	busy, hold := make(chan struct{}), make(chan struct{})
	go func() { _ = s.committer.barrier(func() error { close(busy); <-hold; return nil }) }()
	<-busy
	return func() { close(hold) }
}

// Path returns the path of the file.
func (s *Store) Path() string { return s.state.Load().File.Path() }

// Queued returns the length of the committer's queue.
func (s *Store) Queued() int { return s.queued() }

// Rebind replaces the ID of the transaction before tx by tx's own in the content sum.
func Rebind(tx *bbolt.Tx) error {
	meta, txid := tx.Bucket([]byte("meta")), uint64(tx.ID())
	v := meta.Get([]byte("sum"))
	if v == nil {
		return nil
	}
	n := binary.BigEndian.Uint64(v) + record.TransactionNumber(txid) - record.TransactionNumber(txid-1)
	return meta.Put([]byte("sum"), binary.BigEndian.AppendUint64(nil, n))
}

// Faults returns the faults that Check finds.
func Faults(s *Store) (faults []error) {
	for err := range s.Check(context.Background()) {
		faults = append(faults, err)
	}
	return faults
}

// RequireSound requires that Check finds no fault. A closed store passes.
func RequireSound(t testing.TB, s *Store) {
	t.Helper()
	for _, err := range Faults(s) {
		if !errors.Is(err, ErrClosed) {
			require.NoError(t, err)
		}
	}
}
