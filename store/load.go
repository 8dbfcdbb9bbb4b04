package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/store/internal/boltfile"
)

// load fills the memory of a store that nobody uses yet, and so without locks,
// from the file f, before bbolt has mapped it. It reads every page by plain reads
// and takes nothing on trust; see package boltfile.
//
// The log is read once, in the order in which it was written, by two goroutines:
// one walks the file and verifies each record (scan.go), the other follows the
// versions and puts them into the table (rebuild.go). The lists come last, since
// where an allocation belongs is known only when its last record was read.
func (s *Store) load(f *os.File) error {
	b, err := boltfile.Open(f)
	if err == nil {
		s.committer.unsettled = !b.HasFreelist()
		if b.LostMeta() {
			s.logger().Warn("allocstore: one of the two meta pages is not valid, as after a power cut, and the other is used", "file", f.Name())
		}
		err = s.loadBuckets(context.Background(), b)
	}
	if err == nil && !s.opts.ReadOnly {
		err = b.RewriteMeta()
	}
	return damaged(err)
}

// damaged marks the errors that tell of damage.
func damaged(err error) error {
	if fault := new(boltfile.Damage); errors.As(err, &fault) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

func (s *Store) loadBuckets(ctx context.Context, f *boltfile.File) error {
	buckets, err := f.Buckets()
	if err != nil {
		return err
	}
	var meta metaValues
	loadMeta := func(f *boltfile.File, b boltfile.Bucket) (err error) {
		meta, err = s.loadMeta(f, b)
		return err
	}
	loadLog := func(f *boltfile.File, b boltfile.Bucket) error { return s.loadLog(ctx, f, b) }
	steps := []struct {
		bucket []byte
		load   func(*boltfile.File, boltfile.Bucket) error
	}{{metaBucket, loadMeta}, {jobsBucket, s.loadJobs}, {logBucket, loadLog}}
	for _, step := range steps {
		b, ok := buckets[string(step.bucket)]
		if !ok {
			return fmt.Errorf("%w: a bbolt database, but no allocstore: no bucket %q", ErrCorrupt, step.bucket)
		}
		if err := step.load(f, b); err != nil {
			return fmt.Errorf("bucket %s: %w", step.bucket, err)
		}
		delete(buckets, string(step.bucket))
	}
	if len(buckets) > 0 {
		return fmt.Errorf("%w: buckets that are none of a store's: %q", ErrCorrupt, slices.Sorted(maps.Keys(buckets)))
	}
	if err := f.Freelist(); err != nil {
		return err
	}
	return s.verifySum(meta.Get(sumKey))
}

// verifySum compares the sum of what was read with the one in the file. A file that
// was last written before there were sums has none.
func (s *Store) verifySum(want []byte) error {
	got := s.committer.plan.holds.encoded()
	if len(want) == 0 || bytes.Equal(got, want) {
		return nil
	}
	err := fmt.Errorf("%w: the content's sum is %x, and was %x when it was last written: some of it is missing, or out of date", ErrCorrupt, got, want)
	if faults := s.quarantine.faults(); len(faults) > 0 {
		err = fmt.Errorf("%w: %w", err, faults[0])
	}
	return err
}

// Keys of the meta bucket that compaction, restore and Close leave.
var (
	floorKey    = []byte("floor")
	restoredKey = []byte("restored")
	idsKey      = []byte("ids") // how many IDs there were, more or less
)

// metaValues is the content of the meta bucket.
type metaValues map[string][]byte

// Get returns the value under key, or nil.
func (m metaValues) Get(key []byte) []byte { return m[string(key)] }

// metaKeys are all keys of the meta bucket.
var metaKeys = []string{string(formatKey), index.Key, string(floorKey), string(restoredKey), string(idsKey), string(sumKey)}

func (s *Store) loadMeta(f *boltfile.File, b boltfile.Bucket) (metaValues, error) {
	meta := make(metaValues)
	err := f.Walk(b, func(k, v []byte) error {
		if !slices.Contains(metaKeys, string(k)) {
			return fmt.Errorf("%w: key %q", ErrCorrupt, k)
		}
		meta[string(k)] = slices.Clone(v)
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(meta); err != nil {
		return nil, err
	}
	last, err := index.Read(meta)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	s.index.Publish(last)
	holds := &s.committer.plan.holds
	holds.last = last
	reserve := func(ids uint64) {
		s.table.reserve(int(min(ids, uint64(f.Size())/leastRecord)))
	}
	err = errors.Join(
		loadMark(meta, floorKey, s.floor.Store),
		loadMark(meta, restoredKey, s.restored.Store),
		loadMark(meta, idsKey, reserve),
	)
	holds.floor, holds.restored = s.floor.Load(), s.restored.Load()
	return meta, err
}

// putMark puts the number under key, unless it is 0 and was so.
func putMark(meta *bbolt.Bucket, key []byte, n uint64) error {
	if n == 0 && meta.Get(key) == nil {
		return nil
	}
	return meta.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// leastRecord is what a record takes in the file at the least.
const leastRecord = keyLen + binHeader + fixedPart

// loadMark hands the number under key over, if there is one.
func loadMark(meta metaValues, key []byte, to func(uint64)) error {
	switch v := meta.Get(key); len(v) {
	case 0:
		return nil
	case 8:
		to(binary.BigEndian.Uint64(v))
		return nil
	default:
		return fmt.Errorf("%w: %s of %d bytes", ErrCorrupt, key, len(v))
	}
}

// loadJobs makes every job known; they are decoded when an allocation needs them.
func (s *Store) loadJobs(f *boltfile.File, b boltfile.Bucket) error {
	return f.Walk(b, func(k, v []byte) error {
		if len(k) != len(jobHash{}) {
			return fmt.Errorf("%w: key of %d bytes", ErrCorrupt, len(k))
		}
		if hashJob(aliasOf(v)) != jobHash(k) {
			s.quarantine.addJob(jobHash(k))
		}
		s.jobs.add(&job{hash: jobHash(k)})
		s.committer.plan.holds.sum.add(ofJob(jobHash(k)))
		s.tally.jobs.Add(int64(len(k) + len(v)))
		return nil
	}, nil)
}

// loadLog has the log scanned, rebuilds the table from it, and then the lists.
func (s *Store) loadLog(ctx context.Context, f *boltfile.File, b boltfile.Bucket) error {
	sc := startScan(f, b, s.index.Last())
	r := newRebuilder(s)
	err := r.readAll(ctx, sc)
	sc.stop()
	if err = errors.Join(sc.err, err); err != nil {
		return err
	}
	s.committer.plan.holds.sum += sc.sum
	return r.finish()
}
