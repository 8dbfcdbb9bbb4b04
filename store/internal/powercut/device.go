package main

import (
	"cmp"
	"maps"
)

// pageSize is the unit in which contents of files are kept here.
const pageSize = 4096

// A file is the content of one: its pages, of which those that were never written are
// missing, and its length. Pages are shared and not changed.
type file struct {
	pages map[int64][]byte
	size  int64
}

// clone returns a copy, whose pages may be replaced.
func (f *file) clone() *file {
	if f == nil || f.pages == nil {
		return &file{pages: make(map[int64][]byte)}
	}
	return &file{maps.Clone(f.pages), f.size}
}

// write writes data at that offset.
func (f *file) write(at int64, data []byte) {
	f.size = max(f.size, at+int64(len(data)))
	for len(data) > 0 {
		n, from := at/pageSize, at%pageSize
		page := make([]byte, pageSize)
		copy(page, f.pages[n])
		done := copy(page[from:], data)
		f.pages[n] = page
		at, data = at+int64(done), data[done:]
	}
}

// read returns what is there.
func (f *file) read(at int64, length int) []byte {
	to := make([]byte, length)
	for done := 0; done < length; {
		n, from := (at+int64(done))/pageSize, (at+int64(done))%pageSize
		end := done + min(length-done, int(pageSize-from))
		if page := f.pages[n]; page != nil {
			copy(to[done:end], page[from:])
		}
		done = end
	}
	return to
}

// truncate cuts the file.
func (f *file) truncate(size int64) {
	f.size = size
	for n, page := range f.pages {
		switch keep := size - n*pageSize; {
		case keep <= 0:
			delete(f.pages, n)
		case keep < pageSize:
			cut := make([]byte, pageSize)
			copy(cut, page[:keep])
			f.pages[n] = cut
		}
	}
}

// A unit is an operation that a power cut may undo: nothing has made it durable.
type unit struct {
	*Op
	grows bool   // of a truncate: it makes the file longer
	stale []bool // of a write: the bytes that were durably written over since
	lost  bool   // a sync of it has failed, so no later one will do it
}

// A device is what is on a disk for sure, and what may be. It is worked out from
// the log.
//
// What is assumed: a sync of a file makes durable what was written to that file
// before, with the length that this takes; an fdatasync does not make it any longer
// than that. A sync of the directory makes durable which names there are. Nothing
// else makes anything durable, and everything may become so at any time before, in
// any order, and for a write also a part of it. After a sync of a file that failed
// nobody knows, and no later sync brings back what it lost. A sync of the directory
// can be tried again: a file system that loses names is read-only from then on.
type device struct {
	files map[int]*file  // by number
	names map[string]int // of files
	units []*unit        // in order
	acked uint64         // the last index that was acknowledged

	// How it looks as long as there is power.
	sizes map[int]int64
	live  map[string]int
}

func newDevice() *device {
	return &device{files: make(map[int]*file), names: make(map[string]int), sizes: make(map[int]int64), live: make(map[string]int)}
}

// do takes an operation.
func (d *device) do(op *Op) {
	switch {
	case op.Kind == OpNote:
		d.acked = max(d.acked, uint64(op.At))
	case op.Kind == OpSync || op.Kind == OpSyncDir:
		d.sync(op)
	case op.Err != 0: // it was not done
	case op.Kind == OpWrite:
		d.units = append(d.units, &unit{Op: op})
		d.sizes[op.File] = max(d.sizes[op.File], op.At+int64(len(op.Data)))
	case op.Kind == OpTruncate:
		d.units = append(d.units, &unit{Op: op, grows: op.At >= d.sizes[op.File]})
		d.sizes[op.File] = op.At
	default:
		named := *op
		if op.Kind == OpRename {
			named.File = d.live[op.Name]
		}
		u := &unit{Op: &named}
		u.rename(d.live)
		d.units = append(d.units, u)
	}
}

// covers reports whether a sync that succeeds makes u durable.
func (op *Op) covers(u *unit) bool {
	switch u.Kind {
	case OpWrite:
		return op.Kind == OpSync && op.File == u.File
	case OpTruncate:
		return op.Kind == OpSync && op.File == u.File && !(op.DataOnly && u.grows)
	default:
		return op.Kind == OpSyncDir
	}
}

// sync makes units durable, or has them lost.
func (d *device) sync(op *Op) {
	var left []*unit
	for _, u := range d.units {
		switch {
		case u.lost || !op.covers(u):
			left = append(left, u)
		case op.Err != 0:
			u.lost = op.Kind == OpSync
			left = append(left, u)
		default:
			d.settle(left, u)
		}
	}
	d.units = left
}

// settle does u for good. before are the units before it that are not durable.
func (d *device) settle(before []*unit, u *unit) {
	if u.Kind != OpWrite && u.Kind != OpTruncate {
		u.rename(d.names)
		return
	}
	if d.files[u.File] == nil {
		d.files[u.File] = new(file).clone()
	}
	u.apply(d.files[u.File], u.Data)
	if u.Kind != OpWrite {
		return
	}
	for _, old := range before {
		if old.Kind == OpWrite && old.File == u.File {
			old.replace(u.At, len(u.Data))
		}
	}
}

// replace notes that there are newer bytes on the disk.
func (u *unit) replace(at int64, length int) {
	from, to := max(at-u.At, 0), min(at-u.At+int64(length), int64(len(u.Data)))
	for i := from; i < to; i++ {
		if u.stale == nil {
			u.stale = make([]bool, len(u.Data))
		}
		u.stale[i] = true
	}
}

// apply does a write, of data, or a truncate.
func (u *unit) apply(f *file, data []byte) {
	switch {
	case u.Kind == OpWrite && u.stale == nil:
		f.write(u.At, data)
	case u.Kind == OpWrite:
		merged := f.read(u.At, len(data))
		for i := range data {
			if !u.stale[i] {
				merged[i] = data[i]
			}
		}
		f.write(u.At, merged)
	case u.grows:
		f.size = max(f.size, u.At)
	default:
		f.truncate(u.At)
	}
}

// rename does what changes names.
func (u *unit) rename(names map[string]int) {
	switch u.Kind {
	case OpCreate, OpLink:
		names[cmp.Or(u.To, u.Name)] = u.File
	case OpRename:
		names[u.To] = u.File
		delete(names, u.Name)
	case OpUnlink:
		delete(names, u.Name)
	}
}
