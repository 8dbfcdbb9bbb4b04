package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An image is the state of a directory after a power cut.
type image struct {
	files map[string]*file // by path
	dirs  []string         // below it, each after the one that it is in
	acked uint64
	shown uint64
	name  func() string
}

// cutPower returns the image of d if its units meet the fates.
func (d *device) cutPower(fates []fate) *image {
	units := slices.Clone(d.units)
	names := maps.Clone(d.names)
	for i, u := range units {
		if u.Kind != OpWrite && u.Kind != OpTruncate && fates[i].kind != undone {
			u.rename(names)
		}
	}
	img := &image{files: make(map[string]*file), acked: d.acked, shown: d.shown}
	contents := make(map[int]*file)
	for _, n := range names {
		if !d.dirs[n] && contents[n] == nil {
			contents[n] = d.files[n].clone()
		}
	}
	for i, u := range units {
		if f := contents[u.File]; f != nil && (u.Kind == OpWrite || u.Kind == OpTruncate) {
			fates[i].apply(f, u)
		}
	}
	img.add(d.root, "", names, contents)
	return img
}

// add adds the names in a directory, which has that path.
func (img *image) add(dir int, path string, in names, contents map[int]*file) {
	for at, n := range in {
		switch f := contents[n]; {
		case at.dir != dir:
		case f != nil:
			img.files[filepath.Join(path, at.text)] = f
		default:
			below := filepath.Join(path, at.text)
			img.dirs = append(img.dirs, below)
			img.add(n, below, in, contents)
		}
	}
}

// describe lists the units with their fates.
func describe(units []*unit, fates []fate) string {
	var b strings.Builder
	for i, u := range units {
		fmt.Fprintf(&b, "\n  %s: %v", fateNames[fates[i].kind], u)
		if fates[i].kind == torn {
			fmt.Fprintf(&b, ", after %d bytes", fates[i].cut)
		}
	}
	return b.String()
}

// String describes the unit.
func (u *unit) String() string {
	switch u.Kind {
	case OpWrite:
		return fmt.Sprintf("write of %d bytes at %d of file %d", len(u.Data), u.At, u.File)
	case OpTruncate:
		return fmt.Sprintf("truncate to %d of file %d", u.At, u.File)
	default:
		return fmt.Sprintf("%v of file %d, %s %s in directory %d", u.Kind, u.File, u.Name, u.To, u.Dir)
	}
}

// writeTo writes the image into an empty directory.
func (img *image) writeTo(dir string) error {
	for _, below := range img.dirs {
		if err := os.Mkdir(filepath.Join(dir, below), 0o700); err != nil {
			return err
		}
	}
	for name, f := range img.files {
		if err := f.writeTo(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// writeTo writes the file, with holes for missing pages.
func (f *file) writeTo(path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for n, page := range f.pages {
		at := n * pageSize
		if _, err := out.WriteAt(page[:min(pageSize, f.size-at)], at); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(out.Truncate(f.size), out.Close())
}

// empty removes all that is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
