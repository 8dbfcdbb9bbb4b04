package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"

	"allocstore/index"
)

// fileMode is the mode of a new file. Allocations carry the environment of tasks, which
// other users must not read.
const fileMode = 0o600

// create makes an empty store at path. A crash leaves no file there, or a whole store.
// bbolt's own creation does not give that: of 36 images of a torn one, 30 never opened
// again (design/0005).
//
// The file is made and synced under a temporary name in the same directory, and then
// linked to its own; ensure syncs the directory. A link, unlike a rename, refuses a name
// that is taken: of two processes that create at once, one wins and the other opens the
// winner's file. A file system without links gets the rename.
func create(path string) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, unfinished(path)+"*")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(tmp.Name()); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := initialize(tmp.Name()); err != nil {
		return err
	}
	err = os.Link(tmp.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return os.Rename(tmp.Name(), path)
}

// initialize writes an empty store into the empty file at path.
func initialize(path string) error {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = newDatabase(db, path, nil).updateTwice(func(t Tx) error {
		for _, name := range [][]byte{logBucket, jobsBucket, metaBucket} {
			if _, err := t.tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		m := Manifest{Last: index.Created}
		return m.Put(t)
	})
	return errors.Join(err, db.Close())
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// unfinished returns the prefix of the names of files that are to become the store at path.
func unfinished(path string) string { return "." + filepath.Base(path) + ".new-" }

// removeUnfinished removes files that a crash kept from becoming the store at path. The
// path is locked, so they are not in use. A name that os.CreateTemp does not give belongs
// to another store. A file that cannot be removed does no harm.
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
