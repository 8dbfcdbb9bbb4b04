package main

import (
	"cmp"
	"maps"
)

// pageSize is the unit of a file's content here.
const pageSize = 4096

// A file is a file's content: its length and its pages. Pages that were never written are
// missing. Pages are shared and not changed.
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

// read returns length bytes at that offset, zeros where nothing was written.
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

// truncate cuts the file to size.
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

// A unit is an operation that is not durable yet: a power cut may undo it.
type unit struct {
	*Op
	grows bool   // of a truncate: it makes the file longer
	stale []bool // of a write: the bytes that were overwritten durably since
	lost  bool   // its sync has failed, so no later sync makes it durable
}

// A device is the durable state of a disk, and the operations that are not durable yet.
// It follows from the log.
//
// The assumptions: a sync of a file makes the earlier writes to that file durable, with
// the length that they need; an fdatasync does not make the file any longer than that. A
// sync of a directory makes its names durable. Only syncs make anything durable for
// sure, but any operation may become durable at any earlier time, in any order, and of a
// write also a part. A failed sync of a file leaves its writes in doubt, and no later
// sync brings back the lost ones. A failed sync of the directory can be tried again: a
// file system that loses names is read-only from then on.
type device struct {
	files map[int]*file // by number
	names names
	units []*unit // in order
	acked uint64  // the last acknowledged index
	shown uint64  // the last index that a reader has seen

	root int          // the directory of the first name
	dirs map[int]bool // the numbers of other directories

	// The view of a running process.
	sizes map[int]int64
	live  names
}

// names has the numbers of files and directories.
type names map[name]int

// A name is one in a directory.
type name struct {
	dir  int
	text string
}

// noRoot is the root of a device that has no name yet.
const noRoot = -1

func newDevice() *device {
	return &device{root: noRoot, files: make(map[int]*file), names: make(names), sizes: make(map[int]int64), live: make(names), dirs: make(map[int]bool)}
}

// do applies an operation.
func (d *device) do(op *Op) {
	switch {
	case op.Kind == OpNote:
		d.acked = max(d.acked, uint64(op.At))
	case op.Kind == OpShown:
		d.shown = max(d.shown, uint64(op.At))
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
		if d.root == noRoot {
			d.root = op.Dir
		}
		named := *op
		if op.Kind == OpRename {
			named.File = d.live[name{op.Dir, op.Name}]
		}
		if op.Kind == OpMkdir {
			d.dirs[op.File] = true
		}
		u := &unit{Op: &named}
		u.rename(d.live)
		d.units = append(d.units, u)
	}
}

// covers reports whether the sync op makes u durable, if it succeeds.
func (op *Op) covers(u *unit) bool {
	switch u.Kind {
	case OpWrite:
		return op.Kind == OpSync && op.File == u.File
	case OpTruncate:
		return op.Kind == OpSync && op.File == u.File && !(op.DataOnly && u.grows)
	default:
		return op.Kind == OpSyncDir && op.File == u.Dir
	}
}

// sync makes units durable; a failed sync loses them.
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
			d.makeDurable(left, u)
		}
	}
	d.units = left
}

// makeDurable makes u durable. before are the earlier units that stay undurable.
func (d *device) makeDurable(before []*unit, u *unit) {
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

// replace marks the bytes of u that newer durable ones replace.
func (u *unit) replace(at int64, length int) {
	from, to := max(at-u.At, 0), min(at-u.At+int64(length), int64(len(u.Data)))
	for i := from; i < to; i++ {
		if u.stale == nil {
			u.stale = make([]bool, len(u.Data))
		}
		u.stale[i] = true
	}
}

// apply does a truncate, or a write with these data.
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

// rename does a change of a name.
func (u *unit) rename(in names) {
	switch u.Kind {
	case OpCreate, OpLink, OpMkdir:
		in[name{u.Dir, cmp.Or(u.To, u.Name)}] = u.File
	case OpRename:
		in[name{u.Dir, u.To}] = u.File
		delete(in, name{u.Dir, u.Name})
	case OpUnlink, OpRmdir:
		delete(in, name{u.Dir, u.Name})
	}
}
