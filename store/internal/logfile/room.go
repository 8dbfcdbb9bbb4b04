package logfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
)

const (
	// maxAhead bounds how far makeRoom writes ahead. Twice as much gains nothing, and
	// makes the commit that syncs it slower. makeRoom begins with minAhead and doubles it,
	// since many stores are opened for one commit.
	maxAhead = 512 << 10
	minAhead = 128 << 10

	// commitRoom is room for the pages that a commit changes besides its records: the way to
	// the right edge of the log, and the manifest.
	commitRoom = 64 << 10

	// reserve is room that only deletions and compaction use; on a full disk they have no other. The
	// last half is compaction's, which makes room for the others.
	reserve = 512 << 10

	// many is the room with which compaction is as usual again, once there was too little.
	many = 4 * reserve

	// longer is the step in which makeRoom makes the file longer, with a sync: bbolt's.
	longer = 16 << 20
)

var zeros [commitRoom]byte

// A Use is the purpose of a transaction on a full disk.
type Use int64

// The value of a Use is the part of the reserve that it leaves.
const (
	ForWrites     Use = reserve
	ForDeletions  Use = reserve / 2
	ForCompaction Use = 0
)

// Room makes sure that the disk has room for the transaction when all it writes, up to now and next,
// is that many bytes. ErrNoSpace means that the disk is full; nothing has been written, and a transaction that
// writes less may succeed. A file system that writes old blocks to new places may lack room all the
// same, and the commit then fails.
func (t Tx) Room(bytes int64, use Use) error {
	db, need, end := t.db, commitRoom+2*bytes, t.tx.Size() // a page may be half full
	err := error(nil)
	if end+need+reserve > db.allocated {
		err = db.makeRoom(end, need+reserve)
	}
	if errors.Is(err, ErrNoSpace) {
		return t.roomWithin(need+int64(use), end, err)
	}
	if err == nil && db.lacks.Load() && db.makeRoom(end, need+many) == nil {
		db.lacks.Store(false)
	}
	return err
}

// roomWithin is Room on a full disk, which full says: it looks for free pages of the file.
// Compaction goes on until there are many.
func (t Tx) roomWithin(need, end int64, full error) error {
	db := t.db
	missing := need - max(db.allocated-end, 0)
	plenty := db.hasFree(t.tx, missing+many)
	db.lacks.Store(!plenty)
	if plenty || db.hasFree(t.tx, missing) {
		return nil
	}
	return full
}

// RoomLacks reports whether, as of the last write, the disk was full and the file had few free pages.
func (f *File) RoomLacks() bool { return f.db.Load().lacks.Load() }

// makeRoom has the file system allocate blocks behind end, the end of the pages in use: need bytes,
// and some for the next commits. bbolt extends a file by a hole, and a sync of writes into a hole
// also waits for the file system's journal: 0.2 ms instead of 0.12. So blocks for small commits are
// allocated by writing zeros, once for some 20 commits. See design/0010. Blocks for a large one are
// allocated without writing, since writing them twice would cost more.
//
// It writes where neither this state nor the one before has a page, and before the
// transaction writes. After a crash nothing refers to these bytes.
func (db *database) makeRoom(end, need int64) error {
	from, to := max(end, db.allocated), end+need
	if to > maxFile {
		return fmt.Errorf("%w: the file may have %d bytes on a 32-bit platform", ErrNoSpace, int64(maxFile))
	}
	db.ahead = min(max(2*db.ahead, minAhead), maxAhead)
	ahead := (max(to, from+db.ahead) + commitRoom - 1) / commitRoom * commitRoom
	err := db.lengthen(ahead)
	if err == nil {
		var n int64
		n, err = db.allocate(from, ahead)
		if n > 0 {
			db.allocated = max(db.allocated, from+n)
		}
	}
	switch {
	case err == nil, diskFull(err) && to <= db.allocated:
		return nil
	case diskFull(err):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// lengthen makes the file at least that long, as bbolt would.
func (db *database) lengthen(size int64) error {
	info, err := db.raw.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	if err := db.raw.Truncate((size/commitRoom+1)*commitRoom + longer); err != nil {
		return err
	}
	return db.raw.Sync()
}

// allocate allocates the blocks of a region behind the pages in use, and returns how many bytes of
// it have them.
func (db *database) allocate(from, to int64) (int64, error) {
	if limit := db.limit; limit != nil && to > limit() {
		n, err := db.allocate(from, max(from, limit()))
		return n, errors.Join(err, syscall.ENOSPC)
	}
	if to-from > maxAhead {
		err := fallocate(db.raw, from, to-from)
		if err == nil {
			return to - from, nil
		}
		if diskFull(err) { // some of it may have blocks from before the file was opened
			n, e := db.writeZeros(from, min(to, from+2*reserve))
			return n, errors.Join(err, e)
		}
	}
	return db.writeZeros(from, to)
}

// writeZeros returns how many bytes it has written.
func (db *database) writeZeros(from, to int64) (done int64, err error) {
	for from+done < to && err == nil {
		var n int
		n, err = db.raw.WriteAt(zeros[:min(to-from-done, int64(len(zeros)))], from+done)
		done += int64(n)
	}
	return done, err
}

// hasFree reports whether the file has free pages for that many bytes. It wants twice as many: some
// may still be needed by a reader, and some lie alone where a record needs several.
func (db *database) hasFree(tx *bbolt.Tx, bytes int64) bool {
	if db.refused > 0 && bytes >= db.refused { // and no page was freed since
		return false
	}
	size := int64(os.Getpagesize())
	left := 2 * (bytes + size - 1) / size
	for id := 2; left > 0; id++ {
		p, err := tx.Page(id)
		if err != nil || p == nil {
			db.refused = bytes
			return false
		}
		if p.Type == "free" {
			left--
		} else {
			id += p.OverflowCount
		}
	}
	return true
}

// diskFull reports whether err says that the disk, or the user's quota of it, is full.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// NoSpace marks the error of a full disk as ErrNoSpace.
func NoSpace(err error) error {
	if diskFull(err) && !errors.Is(err, ErrNoSpace) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
