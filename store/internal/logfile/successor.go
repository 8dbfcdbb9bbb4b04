package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"allocstore/store/internal/record"
)

// A Successor is a new file that is to replace a store's. It is written beside the old
// one, under a temporary name and without syncs until it is complete. Seal makes it
// durable, TakePlace gives it the name of the file in use, which may have been replaced since
// NewSuccessor. Then SwapInto, for a compaction, or InheritFrom, for a restore, puts it into use.
type Successor struct {
	*File
	Manifest // of the content so far; complete it before Seal

	grow     int // the step in which the file grows once it is in use
	placed   bool
	obsolete *database // the one that Close closes
}

// growBytes is the step in which a new file grows, with a sync. It bounds the difference
// between the file's size and its content's.
const growBytes = 4 << 20

// NewSuccessor makes the new file, which holds an empty store, and locks it. It may be
// called from any goroutine, while no other successor is in the making.
func (f *File) NewSuccessor() (n *Successor, err error) {
	defer contain(f.path, catchFaults(), &err)
	old, err := f.inPlace()
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), unfinished(f.path)+"*") // mode 0600
	if err != nil {
		return nil, err
	}
	n = &Successor{File: &File{path: tmp.Name(), o: f.o}}
	if err = errors.Join(copyOwner(tmp, old), tmp.Close()); err == nil {
		err = initialize(n.path)
	}
	if err == nil {
		err = n.open()
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(n.path))
	}
	return n, nil
}

func (n *Successor) open() error {
	raw, err := openLocked(n.path, os.O_RDWR, &n.o, n.o.OpenFile)
	if err != nil {
		return err
	}
	db, err := openDatabase(n.path, raw, &n.o)
	if err != nil {
		_ = raw.Close() // bbolt may have closed it already
		return err
	}
	n.grow, db.bolt.AllocSize = db.bolt.AllocSize, growBytes
	n.db.Store(db)
	n.raw, n.obsolete = raw, db
	return nil
}

// Fill has fn write to the new file, without a sync.
func (n *Successor) Fill(fn func(Tx) error) error { return n.db.Load().update(fn) }

// Put writes a record and adds it to the manifest.
func (n *Successor) Put(t Tx, k record.Key, value []byte) error {
	n.Sum.Add(record.SumNumber(k, value))
	return t.Put(k, value)
}

// PutJob writes a job for the first time and adds it to the manifest.
func (n *Successor) PutJob(t Tx, h record.JobHash, body []byte) error {
	n.Sum.Add(h.SumNumber())
	_, err := t.PutJob(h, body)
	return err
}

// Sync makes the content so far durable, so that less is left for Seal.
func (n *Successor) Sync() error { return n.db.Load().bolt.Sync() }

// Seal writes the manifest, and makes the whole file durable.
func (n *Successor) Seal() error {
	db := n.db.Load()
	db.bolt.AllocSize = n.grow
	return db.updateTwice(func(t Tx) error {
		n.findNote(t) // the manifest may be that of the old file
		return errors.Join(n.PutMarks(t), n.Manifest.Put(t))
	})
}

// TakePlace gives the new file the name of old, the file in use. After an error nothing has
// changed, unless the error is ErrOutcomeUnknown. Only the committer calls it.
func (n *Successor) TakePlace(old *File) error {
	if _, err := old.inPlace(); err != nil {
		return err
	}
	if err := os.Rename(n.path, old.path); err != nil {
		if _, moved := old.inPlace(); moved != nil {
			return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
		return err
	}
	n.placed = true
	if err := SyncDir(filepath.Dir(old.path)); err != nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil
}

// SwapInto gives the new database to old, which has the same content. Readers go on there.
func (n *Successor) SwapInto(old *File) {
	n.db.Load().path = old.path
	n.obsolete = old.db.Swap(n.db.Load())
	old.settled = false
}

// InheritFrom makes n.File the store's file: it gets the path of old and its lock. Readers of old
// get ErrClosed after Close.
func (n *Successor) InheritFrom(old *File) {
	n.obsolete = old.db.Load()
	n.db.Load().path = old.path
	n.path, n.lock, old.lock, n.onFault = old.path, old.lock, nil, old.onFault
}

// Close closes the database that is not in use, old or new, and waits for its readers. It
// removes a new file that has not taken its place.
func (n *Successor) Close() error {
	err := n.obsolete.close()
	if !n.placed {
		err = errors.Join(err, os.Remove(n.path))
	}
	return err
}
