package state

import (
	"context"
	"errors"
	"fmt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// Open loads the state of an opened file, makes the content that it read durable, and maps
// the file. The caller closes the file after an error.
//
// A commit is synced once, the pages together with the meta page that leads to them. After
// a power cut the newest meta page may lead to pages that were lost. The content then does
// not verify, and Open takes the file back to the state before: that commit was not
// answered. Otherwise Open secures the newest state, since a failed sync of an earlier
// process may have left it in the page cache alone.
//
// Errors: record.ErrCorrupt; logfile.ErrFormatVersion; logfile.ErrReadOnly if the last
// commit is unfinished in a file that is opened for reading alone.
func Open(f *logfile.File, o *Options) (*State, error) {
	newest, err := boltfile.Newest(f.Raw())
	if err != nil {
		return nil, err
	}
	name := f.Raw().Name()
	st, err := Load(context.Background(), newest, o)
	before, earlier := loadBefore(newest, st, err, o)
	switch {
	case earlier != nil && f.ReadOnly():
		err = fmt.Errorf("%w: the last commit is not whole, as after a power cut, and has to be taken back: open it for writing once", logfile.ErrReadOnly)
	case earlier != nil:
		st = earlier
		o.Logger.Warn("allocstore: the last commit is not whole, as after a power cut, and was taken back", "file", name, "index", st.Index.Last())
		err = before.Reinstate()
	case err == nil:
		if newest.LostMeta() {
			o.Logger.Warn("allocstore: one of the two meta pages is not valid, as after a power cut, and the other is used", "file", name)
		}
		if !f.ReadOnly() {
			err = newest.Secure()
		}
	}
	if err != nil {
		return nil, err
	}
	st.File = f
	return st, f.Map(&st.Manifest, st.hasFreelist)
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
