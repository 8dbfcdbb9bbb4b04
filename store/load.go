package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"allocstore/index"
)

// load fills the memory of a store that nobody uses yet, and so without locks.
//
// The log is read once, in the order in which it was written, by two goroutines:
// one walks the file and verifies each record (scan.go), the other follows the
// versions and puts them into the table (rebuild.go). The lists come last, since
// where an allocation belongs is known only when its last record was read.
func (s *Store) load() (err error) {
	defer contain(s.file.path, &err)()
	return s.file.db.Load().View(func(tx *bbolt.Tx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		if err := s.loadMeta(tx.Bucket(metaBucket)); err != nil {
			return err
		}
		if err := s.loadJobs(tx.Bucket(jobsBucket)); err != nil {
			return err
		}
		return s.loadLog(tx.Bucket(logBucket))
	})
}

// Keys of the meta bucket that compaction and restore leave.
var (
	floorKey    = []byte("floor")
	restoredKey = []byte("restored")
)

func (s *Store) loadMeta(meta *bbolt.Bucket) error {
	last, err := index.Read(meta)
	if err != nil {
		return fmt.Errorf("%w: meta: %w", ErrCorrupt, err)
	}
	s.index.Publish(last)
	for _, mark := range []struct {
		key []byte
		to  func(uint64)
	}{{floorKey, s.floor.Store}, {restoredKey, s.restored.Store}} {
		switch v := meta.Get(mark.key); len(v) {
		case 0:
		case 8:
			mark.to(binary.BigEndian.Uint64(v))
		default:
			return fmt.Errorf("%w: meta: %s of %d bytes", ErrCorrupt, mark.key, len(v))
		}
	}
	return nil
}

// loadJobs makes every job known; they are decoded when an allocation needs them.
func (s *Store) loadJobs(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if len(k) != len(jobHash{}) {
			return fmt.Errorf("%w: jobs: key of %d bytes", ErrCorrupt, len(k))
		}
		s.jobs.add(&job{hash: jobHash(k)})
		s.tally.jobs.Add(int64(len(k) + len(v)))
		return nil
	})
}

// loadLog has the log scanned, rebuilds the table from it, and then the lists.
func (s *Store) loadLog(b *bbolt.Bucket) error {
	sc := startScan(s.file.path, b, s.index.Last())
	r := newRebuilder(s)
	err := r.readAll(sc)
	sc.stop()
	if err = errors.Join(sc.err, err); err != nil {
		return err
	}
	return r.finish()
}
