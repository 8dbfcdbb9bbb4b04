package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// A successor is a new file that is to take the place of the store's: written beside
// it, under another name, and without syncs as long as it is not complete.
type successor struct {
	s       *Store
	path    string // as long as it has not the store's own name
	db      *database
	grow    int // how much is added to the file at a time, afterwards
	holds   contents
	swapped bool
}

// growBytes is how much is added to the file at a time, with a sync of what is
// there, and so how much longer it is than its content at the most.
const growBytes = 4 << 20

// newSuccessor makes the new file, which is an empty store, and locks it.
func newSuccessor(s *Store) (n *successor, err error) {
	defer contain(s.file.path, catchFaults(), &err)
	old, err := s.file.inPlace()
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.file.path), unfinished(s.file.path)+"*") // mode 0600
	if err != nil {
		return nil, err
	}
	n = &successor{s: s, path: tmp.Name()}
	if err = errors.Join(own(tmp, old), tmp.Close()); err == nil {
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

func (n *successor) open() error {
	f, err := openLocked(n.path, os.O_RDWR, &n.s.opts, n.s.opts.openFile)
	if err != nil {
		return err
	}
	if n.db, err = openDatabase(n.path, f, &n.s.opts); err != nil {
		return errors.Join(err, f.Close())
	}
	n.grow, n.db.AllocSize = n.db.AllocSize, growBytes
	return nil
}

// update has fn write to the new file.
func (n *successor) update(fn func(reading) error) (err error) {
	defer contain(n.path, catchFaults(), &err)
	return n.db.Update(func(tx *bbolt.Tx) error {
		to := readingOf(tx)
		to.log.FillPercent = 1 // records only ever arrive at the right edge
		return fn(to)
	})
}

// put writes a record.
func (n *successor) put(to reading, k key, value []byte) error {
	var buf [keyLen]byte
	n.holds.sum.add(ofRecord(k, value))
	return to.log.Put(k.appendTo(buf[:0]), value)
}

// putJob writes a job, once.
func (n *successor) putJob(to reading, h jobHash, body []byte) error {
	n.holds.sum.add(ofJob(h))
	return to.jobs().Put(h[:], body)
}

// seal writes what the meta bucket is to say, and makes it and all that was written
// before durable.
func (n *successor) seal() (err error) {
	defer contain(n.path, catchFaults(), &err)
	n.db.AllocSize = n.grow
	return seal(n.db.DB, func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		err := errors.Join(putMark(meta, floorKey, n.holds.floor), putMark(meta, restoredKey, n.holds.restored))
		if err != nil {
			return err
		}
		return putContents(tx, &n.holds)
	})
}

// takePlace gives the new file the old one's name. unknown says that a crash might
// leave either of them, from now on; before that an error does no harm. Only the
// committer calls it.
func (n *successor) takePlace() (unknown bool, err error) {
	f := n.s.file
	if _, err := f.inPlace(); err != nil {
		return false, err
	}
	if err := os.Rename(n.path, f.path); err != nil {
		_, moved := f.inPlace()
		return moved != nil, err
	}
	n.swapped = true
	return true, syncDir(filepath.Dir(f.path))
}

// succeed has the store go on with the new file.
func (n *successor) succeed() {
	n.db = n.s.file.db.Swap(n.db)
	n.s.holds = n.holds
	n.s.unsettled = true
}

// close closes the file that is not the store's, whichever that is, once nobody reads
// in it.
func (n *successor) close() error {
	err := n.db.Close()
	if !n.swapped {
		err = errors.Join(err, os.Remove(n.path))
	}
	return err
}

// unfinished is how the names of the files begin that become the store at path.
func unfinished(path string) string { return "." + filepath.Base(path) + ".new-" }

// removeUnfinished removes what has not become the store at path when a crash came in
// between. The path is locked, so nobody is at work on one; what has another name than
// os.CreateTemp gives is somebody else's. What cannot be removed does no harm.
func removeUnfinished(path string) {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), unfinished(path))
		if ours && strings.Trim(number, "0123456789") == "" {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
