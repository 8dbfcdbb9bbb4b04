package boltfile

import (
	"encoding/binary"
	"hash/fnv"
	"os"
)

// The used part of a meta page: a page header, then the fields below in the machine's byte
// order, which is little endian on every platform that bbolt is used on.
const (
	metaMagic    = pageHeader + 0
	metaVersion  = pageHeader + 4
	metaPageSize = pageHeader + 8
	metaRoot     = pageHeader + 16 // the root bucket's header
	metaFreelist = pageHeader + 32
	metaHighest  = pageHeader + 40 // the first page beyond those in use
	metaTxid     = pageHeader + 48
	metaChecksum = pageHeader + 56
	metaLen      = pageHeader + 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	// bbolt finds no pages of other sizes, and begins a file with four.
	minPageSize = 1 << 10
	maxPageSize = 16 << 20
	minFileSize = 4 * minPageSize

	// maxTxid is beyond any file's number of transactions, and so far below the largest
	// number that bbolt's counter will not wrap.
	maxTxid = 1 << 62

	noFreelist = 1<<64 - 1
)

var le = binary.LittleEndian

// A meta is a valid meta page.
type meta struct {
	at        int64 // offset in the file
	bytes     []byte
	pageSize  int
	root      []byte // the root bucket's header
	freelist  uint64
	highest   uint64
	txid      uint64
	otherLost bool  // the other meta page is not valid
	fault     error // the reason why the file cannot be read by it
}

// newestMeta returns the meta page that bbolt will use, and the other one, if it is that of
// the transaction before and the file can be read by it. Then the newest may have a fault,
// as when a power cut has left the file shorter than the page says.
//
// It must be exactly the page that bbolt uses. The pages of an older one may have been used
// for something else since, and a page within the file may look like a meta page because
// it holds a value with the content of one.
func newestMeta(f *os.File) (newest meta, before *meta, err error) {
	info, err := f.Stat()
	if err != nil {
		return meta{}, nil, err
	}
	if info.Size() < minFileSize {
		return meta{}, nil, damage(0, "the file is cut short: no database has %d bytes", info.Size())
	}
	newest, first := readMeta(f, 0)
	size := newest.pageSize
	for at := int64(minPageSize); !first && size == 0 && at <= maxPageSize && at < info.Size()-minPageSize; at *= 2 {
		if m, ok := readMeta(f, at); ok {
			size = m.pageSize
		}
	}
	other, second := readMeta(f, int64(size))
	if second && (!first || other.txid > newest.txid) {
		newest, other = other, newest
	}
	if !first && !second {
		return meta{}, nil, &Damage{Reason: "not a bbolt database: no valid meta page"}
	}
	// The length is read again: a writer may have grown the file before it wrote the meta
	// pages read above.
	if info, err = f.Stat(); err != nil {
		return meta{}, nil, err
	}
	newest.otherLost = !first || !second
	if !newest.otherLost && other.txid+1 == newest.txid && other.check(size, info.Size()) == nil {
		before = &other
	}
	newest.fault = newest.check(size, info.Size())
	if before == nil {
		err = newest.fault
	}
	return newest, before, err
}

// check returns the fault of a valid meta page in a file of that size with pages of pageSize
// bytes, or nil.
func (m *meta) check(pageSize int, fileSize int64) error {
	switch {
	case m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 || m.pageSize != pageSize:
		return damage(0, "meta page %d: pages of %d bytes", m.at/int64(max(pageSize, 1)), m.pageSize)
	case m.highest > uint64(fileSize)/uint64(pageSize):
		return damage(0, "the file is cut short: %d bytes, and %d pages of %d", fileSize, m.highest, m.pageSize)
	case fileSize < 2*int64(pageSize):
		return damage(0, "the file is cut short: %d bytes for two meta pages of %d", fileSize, pageSize)
	case m.txid >= maxTxid:
		return damage(0, "meta page of transaction %d", m.txid)
	}
	return nil
}

// readMeta reads the meta page at that offset, and reports whether it is valid for bbolt.
func readMeta(f *os.File, at int64) (meta, bool) {
	b := make([]byte, metaLen)
	if _, err := f.ReadAt(b, at); err != nil {
		return meta{}, false
	}
	sum := fnv.New64a()
	sum.Write(b[pageHeader:metaChecksum])
	if le.Uint32(b[metaMagic:]) != boltMagic || le.Uint32(b[metaVersion:]) != boltVersion || le.Uint64(b[metaChecksum:]) != sum.Sum64() {
		return meta{}, false
	}
	return meta{
		at: at, bytes: b, pageSize: int(le.Uint32(b[metaPageSize:])), root: b[metaRoot : metaRoot+bucketHeader],
		freelist: le.Uint64(b[metaFreelist:]), highest: le.Uint64(b[metaHighest:]), txid: le.Uint64(b[metaTxid:]),
	}, true
}
