package state

import (
	"context"
	"errors"
	"fmt"
	"os"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// Open loads the state of an opened file, makes the content that it read durable, and maps
// the file. The caller closes the file after an error.
//
// It verifies every page by plain reads; see package boltfile. The log is read once, in
// the order in which it was written, by two goroutines: a scan verifies each record, and a
// rebuilder follows the versions and fills the table. The lists are filled last, because
// the last record of an allocation decides where it belongs. The state is not in use yet,
// so loading takes no reader's locks into account.
//
// A commit is synced once, the pages together with the meta page that leads to them. After
// a power cut the newest meta page may lead to pages that were lost. The content then does
// not verify, and Open takes the file back to the state before: that commit was not
// answered.
//
// Errors: record.ErrCorrupt; logfile.ErrFormatVersion; logfile.ErrReadOnly if the last
// commit is unfinished in a file that is opened for reading alone.
func Open(f *logfile.File, o *Options) (*State, error) {
	newest, err := boltfile.Open(f.Raw())
	if err != nil {
		return nil, MarkDamage(err)
	}
	st, err := Load(context.Background(), newest, o)
	if before, earlier := loadBefore(newest, st, err, o); earlier != nil {
		st, err = earlier, earlier.goBack(before, f, o)
	} else if err == nil {
		err = secure(newest, f, o)
	}
	if err != nil {
		return nil, err
	}
	st.File = f
	return st, f.Map(&st.Manifest, st.hasFreelist)
}

// secure makes the state that was read durable: a failed sync of an earlier process may
// have left it in the page cache alone.
func secure(newest *boltfile.File, f *logfile.File, o *Options) error {
	if newest.LostMeta() {
		o.Logger.Warn("allocstore: one of the two meta pages is not valid, as after a power cut, and the other is used", "file", f.Raw().Name())
	}
	if f.ReadOnly() {
		return nil
	}
	return MarkDamage(newest.Secure())
}

// Load loads the state of a file by plain reads. It sets no File. It returns ctx's error
// soon after ctx ends.
func Load(ctx context.Context, f *boltfile.File, o *Options) (*State, error) {
	st := newState(o)
	st.hasFreelist = f.HasFreelist()
	return st, MarkDamage(st.loadBuckets(ctx, f))
}

// LoadRaw is Load of a file whose newest state is known to be whole.
func LoadRaw(ctx context.Context, raw *os.File, o *Options) (*State, error) {
	f, err := boltfile.Open(raw)
	if err != nil {
		return nil, MarkDamage(err)
	}
	return Load(ctx, f, o)
}

// loadBefore returns the file and the state as they were before the last commit, if st and
// err, which the newest state gave, show that this commit is unfinished. Damage that both
// states have was there before, and proves nothing.
func loadBefore(newest *boltfile.File, st *State, err error, o *Options) (*boltfile.File, *State) {
	before := newest.Before()
	if before == nil || !doubtful(st, err) {
		return nil, nil
	}
	earlier, e := Load(context.Background(), before, o)
	if e != nil || !earlier.Manifest.SumHasTxid {
		return nil, nil
	}
	if sound := err == nil && st.Manifest.SumHasTxid; sound && !st.Damaged.exceeds(&earlier.Damaged) {
		return nil, nil
	}
	return before, earlier
}

// doubtful reports whether the state may come from an unfinished commit.
func doubtful(st *State, err error) bool {
	if err != nil {
		return errors.Is(err, record.ErrCorrupt)
	}
	return st.Damaged.Len() > 0 || !st.Manifest.SumHasTxid
}

// goBack takes the file back to the state before the last commit, from which st was loaded.
func (st *State) goBack(before *boltfile.File, f *logfile.File, o *Options) error {
	if f.ReadOnly() {
		return fmt.Errorf("%w: the last commit is not whole, as after a power cut, and has to be taken back: open it for writing once", logfile.ErrReadOnly)
	}
	o.Logger.Warn("allocstore: the last commit is not whole, as after a power cut, and was taken back", "file", f.Raw().Name(), "index", st.Index.Last())
	return before.Reinstate()
}

// MarkDamage makes the damage that boltfile finds an ErrCorrupt.
func MarkDamage(err error) error {
	if damage := new(boltfile.Damage); errors.As(err, &damage) {
		err = fmt.Errorf("%w: %w", record.ErrCorrupt, err)
	}
	return err
}

func (st *State) loadBuckets(ctx context.Context, f *boltfile.File) error {
	meta, jobs, log, err := logfile.Buckets(f)
	if err != nil {
		return err
	}
	stored, err := logfile.ReadManifest(f, meta)
	if err != nil {
		return fmt.Errorf("bucket meta: %w", err)
	}
	st.Index.Publish(stored.Last)
	st.Floor.Store(stored.Floor)
	st.Restored = stored.Restored
	st.Table.reserve(int(min(stored.IDs, uint64(f.Size())/record.MinSize)))
	if err := st.loadJobs(f, jobs, &stored.Sum); err != nil {
		return fmt.Errorf("bucket jobs: %w", err)
	}
	if err := st.loadLog(ctx, f, log, &stored.Sum); err != nil {
		return fmt.Errorf("bucket log: %w", err)
	}
	if err := f.Freelist(); err != nil {
		return err
	}
	st.Manifest = stored.Manifest
	err = stored.Verify(f.Transaction())
	if faults := st.Damaged.Faults(); err != nil && len(faults) > 0 {
		err = fmt.Errorf("%w: %w", err, faults[0])
	}
	return err
}

// loadJobs reads every job. A job is decoded when an allocation needs it.
func (st *State) loadJobs(f *boltfile.File, b boltfile.Bucket, sum *record.ContentSum) error {
	return f.Walk(b, func(k, v []byte) error {
		if len(k) != len(record.JobHash{}) {
			return fmt.Errorf("%w: key of %d bytes", record.ErrCorrupt, len(k))
		}
		h := record.JobHash(k)
		if stored := record.HashJob(record.UnsafeString(v)); stored != h {
			st.Damaged.addJob(h, stored)
		}
		st.Jobs.Add(&Job{Hash: h})
		sum.Add(h.SumNumber())
		st.Size.jobs.Add(int64(len(k) + len(v)))
		return nil
	}, nil)
}

// loadLog reads every record, and fills the table and then the lists.
func (st *State) loadLog(ctx context.Context, f *boltfile.File, b boltfile.Bucket, sum *record.ContentSum) error {
	sc := startScan(f, b, st.Index.Last())
	r := newRebuilder(st)
	err := r.readAll(ctx, sc)
	sc.stop()
	if err = errors.Join(sc.err, err); err != nil {
		return err
	}
	*sum += sc.sum
	return r.finish()
}
