package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// bbolt's meta page, as far as it is looked at here: a page header of 16 bytes,
// then the fields below in the machine's byte order, which is little endian on
// every platform that bbolt is used on.
const (
	metaAt       = 16 // after the page header
	metaMagic    = metaAt + 0
	metaVersion  = metaAt + 4
	metaPageSize = metaAt + 8
	metaHighest  = metaAt + 40 // the first page beyond those in use
	metaTxid     = metaAt + 48
	metaChecksum = metaAt + 56
	metaLen      = metaAt + 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	leastPage = 1 << 10
	mostPage  = 16 << 20
)

// A metaPage is one of a database's two meta pages, read without bbolt.
type metaPage struct {
	at       int64 // offset in the file
	bytes    []byte
	pageSize uint32
	highest  uint64
	txid     uint64
}

// lookAt checks by plain reads, before bbolt maps the file, that it is a bbolt
// database and holds all its pages: bbolt takes a file that was cut short, and
// the process dies on the first access beyond its end. One bad meta page is no
// fault, a power cut leaves that. It changes nothing.
func lookAt(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = newestMeta(f)
	return errors.Join(err, f.Close())
}

// settle writes the newest meta page of the open and locked database again, with
// its own bytes, and syncs it. If an earlier process failed in the sync of that
// page, the page cache holds what the disk may not; going on from there would
// destroy acknowledged commits in a later power cut (RELIABILITY, fact 3).
func settle(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	meta, err := newestMeta(f)
	if err == nil {
		_, err = f.WriteAt(meta.bytes, meta.at)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// newestMeta returns the valid meta page with the highest transaction, if the
// file is as long as that page says.
func newestMeta(f *os.File) (metaPage, error) {
	info, err := f.Stat()
	if err != nil {
		return metaPage{}, err
	}
	if info.Size() == 0 {
		return metaPage{}, fmt.Errorf("%w: the file is empty", ErrCorrupt)
	}
	newest, found := readMeta(f, 0)
	for at := int64(leastPage); at <= mostPage && at < info.Size(); at *= 2 {
		second, ok := readMeta(f, at)
		if ok && int64(second.pageSize) == at && (!found || second.txid > newest.txid) {
			newest, found = second, true
		}
	}
	if !found {
		return metaPage{}, fmt.Errorf("%w: not a bbolt database: no valid meta page", ErrCorrupt)
	}
	if need := newest.highest * uint64(newest.pageSize); need > uint64(info.Size()) {
		return metaPage{}, fmt.Errorf("%w: cut short: %d bytes, its pages take %d", ErrCorrupt, info.Size(), need)
	}
	return newest, nil
}

// readMeta reads the meta page at that offset, and reports whether it is valid.
func readMeta(f *os.File, at int64) (metaPage, bool) {
	b := make([]byte, metaLen)
	if _, err := f.ReadAt(b, at); err != nil {
		return metaPage{}, false
	}
	le := binary.LittleEndian
	m := metaPage{at: at, bytes: b, pageSize: le.Uint32(b[metaPageSize:]), highest: le.Uint64(b[metaHighest:]), txid: le.Uint64(b[metaTxid:])}
	sum := fnv.New64a()
	sum.Write(b[metaAt:metaChecksum])
	valid := le.Uint32(b[metaMagic:]) == boltMagic && le.Uint32(b[metaVersion:]) == boltVersion &&
		le.Uint64(b[metaChecksum:]) == sum.Sum64() &&
		m.pageSize >= leastPage && m.pageSize <= mostPage && m.pageSize&(m.pageSize-1) == 0 &&
		m.highest <= 1<<40
	return m, valid
}
