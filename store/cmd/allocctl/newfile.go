package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"allocstore/store/internal/logfile"
)

// A newFile is a file to write. It gets its name when it is complete and on the disk.
type newFile struct {
	path string
	perm fs.FileMode

	// mayReplace returns nil if the file that has the name already may be replaced. It is called before
	// the writing begins, and again before the file gets its name.
	mayReplace func(path string) error
}

// write calls fn with the file. After an error there is no new file, and an old one still has the name.
func (f newFile) write(fn func(io.Writer) error) (err error) {
	if target, err := filepath.EvalSymlinks(f.path); err == nil {
		f.path = target // a link to a file stays one
	}
	switch _, err := os.Lstat(f.path); {
	case err == nil:
		if err := f.mayReplace(f.path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir := filepath.Dir(f.path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("create %s: %w", f.path, errors.Unwrap(err)) // not the temporary name
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // has no effect after a rename
	if err = fn(tmp); err == nil {
		err = errors.Join(tmp.Chmod(f.perm), tmp.Sync())
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = f.publish(tmp.Name(), os.Link)
	}
	if err == nil {
		err = logfile.SyncDir(dir)
	}
	return err
}

// publish gives the temporary file its name. A link, unlike a rename, refuses a name that was taken
// meanwhile. On a file system without links an empty file reserves the name.
func (f newFile) publish(tmp string, link func(from, to string) error) error {
	err := link(tmp, f.path)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		err = reserve(f.path)
	}
	if errors.Is(err, fs.ErrExist) {
		err = f.mayReplace(f.path)
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, f.path)
}

// reserve creates an empty file. A name that is taken is fs.ErrExist.
func reserve(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// The kinds of files that are known by their first bytes.
const (
	storeFile  = "a store"
	backupFile = "a backup"
)

// headSize is the number of bytes that kindOf needs.
const headSize = 20

// kindOf returns the kind of the file with these first bytes, "" if it is unknown.
func kindOf(head []byte) string {
	const (
		ofBackup = "allocbak"
		ofStore  = "\xed\xda\x0c\xed" // of bbolt, little endian, after the header of its first page
	)
	switch text := string(head); {
	case strings.HasPrefix(text, ofBackup):
		return backupFile
	case len(text) >= headSize && text[16:headSize] == ofStore:
		return storeFile
	}
	return ""
}

// headOf returns the first bytes of the regular file at path, headSize at most.
func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, headSize))
	return head, err
}

// writeAddress writes the address of a server to a file, in the place of another address. A file
// that is not regular, such as a pipe, is not replaced.
func writeAddress(path, address string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, []byte(address), 0o644)
	}
	f := newFile{path: path, perm: 0o644, mayReplace: func(path string) error {
		head, err := headOf(path)
		if err == nil && len(head) > 0 && !strings.HasPrefix(string(head), "http://") {
			err = fmt.Errorf("replace %s: it has no address: %w", path, fs.ErrExist)
		}
		return err
	}}
	return f.write(func(w io.Writer) error {
		_, err := io.WriteString(w, address)
		return err
	})
}
