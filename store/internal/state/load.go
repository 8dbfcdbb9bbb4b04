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

// LoadRaw loads the state of a file whose newest state is known to be whole.
func LoadRaw(ctx context.Context, raw *os.File, o *Options) (*State, error) {
	f, err := boltfile.Newest(raw)
	if err != nil {
		return nil, err
	}
	return Load(ctx, f, o)
}

// Load loads the state of a file by plain reads. It sets no File. It returns ctx's error
// soon after ctx ends.
//
// It verifies every page; see package boltfile. The log is read once, in the order in which
// it was written, by two goroutines: a scan verifies each record, and a rebuilder follows
// the versions and fills the table. The lists are filled last, because the last record of an
// allocation decides where it belongs. At the end the content sum proves that nothing is
// missing or stale.
func Load(ctx context.Context, f *boltfile.File, o *Options) (*State, error) {
	st := newState(o)
	st.hasFreelist = f.HasFreelist()
	return st, st.loadFile(ctx, f)
}

func (st *State) loadFile(ctx context.Context, f *boltfile.File) error {
	stored, err := logfile.ReadManifest(f)
	if err != nil {
		return err
	}
	err = f.Walk(stored.Jobs, func(k, v []byte) error {
		if isNote, err := stored.TakeNote(k, v); isNote || err != nil {
			return err
		}
		return st.loadJob(k, v)
	}, nil)
	if err != nil {
		return err
	}
	st.Index.Publish(stored.Last)
	st.Begun.Store(stored.Last)
	st.applied.Store(stored.Applied())
	st.Kept.Store(stored.Note.Kept())
	st.Floor.Store(stored.Floor)
	st.Restored.Store(stored.Restored)
	st.Table.reserve(int(min(stored.IDs, uint64(f.Size())/record.MinSize)))
	sc := startScan(f, stored.Log, stored.Last)
	err = rebuild(ctx, st, sc)
	sc.stop()
	if err = errors.Join(sc.err, err); err != nil {
		return fmt.Errorf("bucket log: %w", err)
	}
	if err := f.Freelist(); err != nil {
		return err
	}
	stored.Sum = st.Jobs.SumWithout(nil) + sc.sum
	st.Manifest = stored.Manifest
	err = stored.Verify(f.Transaction())
	if faults := st.Damaged.Faults(); err != nil && len(faults) > 0 {
		err = fmt.Errorf("%w: %w", err, faults[0])
	}
	return err
}
