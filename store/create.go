package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"allocstore/index"
)

// fileMode is the mode of a new file: allocations carry the environment of
// tasks, which is nobody else's business.
const fileMode = 0o600

// formatVersion is the version of the format that this package writes. It reads that
// and the ones before it, and Open for writing takes a file up:
//
//	1  the sum of all content is that of the content alone, or is not there; a commit was
//	   synced twice
//	2  the sum is also one of the transaction, for a commit is synced once; see
//	   contents.encodedIn. The first commit, which Open makes, writes it; see file.resume
const formatVersion = 2

// create makes an empty store at path, in such a way that a crash leaves either
// nothing there or a whole store. bbolt's own creation does not give that: of 36
// images of a torn one, 30 never opened again (design/0005).
//
// The file is made and synced under a temporary name in the same directory, then
// linked to its own; Open syncs the directory. Link, unlike rename, refuses a
// name that is taken: of two that create at once, one wins and the other opens
// what the winner made. A file system without links gets the rename.
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
	return publishFile(tmp.Name(), path)
}

// initialize writes an empty store into the empty file at path.
func initialize(path string) error {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = seal(db, func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{logBucket, jobsBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return putContents(tx, &contents{last: index.Created})
	})
	return errors.Join(err, db.Close())
}

// publishFile gives the file at tmp the name path, unless that is taken.
func publishFile(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return os.Rename(tmp, path)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
