package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"allocstore/store/internal/boltfile"
)

// load returns a store with the memory that the file f gives it, before bbolt has
// mapped that, and has the file be as durable as the store takes it for.
//
// It reads every page by plain reads and takes nothing on trust; see package boltfile.
// The log is read once, in the order in which it was written, by two goroutines:
// one walks the file and verifies each record (scan.go), the other follows the
// versions and puts them into the table (rebuild.go). The lists come last, since
// where an allocation belongs is known only when its last record was read. Nobody uses
// the store yet, so all this takes no locks.
//
// A commit is synced once, its pages together with the meta page that leads to them;
// see database.commit. So after a power cut the newest meta page may lead to pages
// that are not there. What is read then does not verify, and the store is taken for
// what it was before: the commit was not answered.
func load(f *os.File, o Options) (*Store, error) {
	newest, err := boltfile.Open(f)
	if err != nil {
		return nil, damaged(err)
	}
	s, err := loadState(newest, o)
	if before, earlier := loadBefore(newest, s, err, o); earlier != nil {
		return earlier, earlier.goBack(before, f.Name())
	}
	if err != nil {
		return nil, err
	}
	if newest.LostMeta() {
		s.logger().Warn("allocstore: one of the two meta pages is not valid, as after a power cut, and the other is used", "file", f.Name())
	}
	if o.ReadOnly {
		return s, nil
	}
	return s, damaged(newest.Secure())
}

// loadState returns a store with the memory that this state of its file gives it.
func loadState(f *boltfile.File, o Options) (*Store, error) {
	s := newStore(o)
	s.unsettled = !f.HasFreelist()
	return s, damaged(s.loadBuckets(context.Background(), f))
}

// loadBefore returns the store as it was before the last commit, and that state of the
// file, if s and err, which are what the newest state has given, say that this commit
// is not whole, and nothing else is the matter: what was damaged before it is so in
// both.
func loadBefore(newest *boltfile.File, s *Store, err error, o Options) (*boltfile.File, *Store) {
	before := newest.Before()
	if before == nil || !doubtful(s, err) {
		return nil, nil
	}
	earlier, e := loadState(before, o)
	if e != nil || !earlier.bound() {
		return nil, nil
	}
	if sound := err == nil && s.bound(); sound && !s.quarantine.exceeds(&earlier.quarantine) {
		return nil, nil
	}
	return before, earlier
}

// doubtful reports whether what a state has given may be of a commit that is not whole.
func doubtful(s *Store, err error) bool {
	if err != nil {
		return errors.Is(err, ErrCorrupt)
	}
	return s.quarantine.size() > 0 || !s.bound()
}

// bound reports whether the sum in the file is that of a transaction. It is from the first
// commit in format 2 on: what is not, and came after one that is, has been left behind by
// one before them.
func (s *Store) bound() bool { return s.holds.bound }

// goBack has the file be what it was before the last commit, from which s was loaded.
func (s *Store) goBack(before *boltfile.File, name string) error {
	if s.opts.ReadOnly {
		return fmt.Errorf("%w: the last commit is not whole, as after a power cut, and has to be taken back: open it for writing once", ErrReadOnly)
	}
	s.logger().Warn("allocstore: the last commit is not whole, as after a power cut, and was taken back", "file", name, "index", s.index.Last())
	return before.Reinstate()
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
	return s.verifySum(meta.Get(sumKey), f.Transaction())
}

// verifySum compares the sum of what was read with the one that the transaction has left
// in the file. A file of format 1 that was last written before there were sums has none.
func (s *Store) verifySum(want []byte, txid uint64) error {
	holds := &s.holds
	got := holds.encoded()
	if holds.bound {
		got = holds.encodedIn(txid)
	}
	if len(want) == 0 && !holds.bound || bytes.Equal(got, want) {
		return nil
	}
	err := fmt.Errorf("%w: the content's sum is %x, and was %x when it was last written: some of it is missing, or out of date", ErrCorrupt, got, want)
	if faults := s.quarantine.faults(); len(faults) > 0 {
		err = fmt.Errorf("%w: %w", err, faults[0])
	}
	return err
}

// leastRecord is what a record takes in the file at the least.
const leastRecord = keyLen + binHeader + fixedPart

// loadJobs makes every job known; they are decoded when an allocation needs them.
func (s *Store) loadJobs(f *boltfile.File, b boltfile.Bucket) error {
	return f.Walk(b, func(k, v []byte) error {
		if len(k) != len(jobHash{}) {
			return fmt.Errorf("%w: key of %d bytes", ErrCorrupt, len(k))
		}
		if h := hashJob(aliasOf(v)); h != jobHash(k) {
			s.quarantine.addJob(jobHash(k), h)
		}
		s.jobs.add(&job{hash: jobHash(k)})
		s.holds.sum.add(ofJob(jobHash(k)))
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
	s.holds.sum += sc.sum
	return r.finish()
}
