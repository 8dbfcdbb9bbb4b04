package boltfile

import (
	"encoding/binary"
	"hash/fnv"
	"os"
)

// A meta page, as far as it is looked at: a page header, then the fields below in
// the machine's byte order, which is little endian on every platform that bbolt is
// used on.
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

	leastPage = 1 << 10
	mostPage  = 16 << 20

	noFreelist = 1<<64 - 1
)

var le = binary.LittleEndian

// A meta is a valid meta page.
type meta struct {
	at       int64 // offset in the file
	bytes    []byte
	pageSize int
	root     []byte // the root bucket's header
	freelist uint64
	highest  uint64
	txid     uint64
}

// newestMeta returns the valid meta page with the highest transaction, if the file
// is as long as that page says.
func newestMeta(f *os.File) (meta, error) {
	info, err := f.Stat()
	if err != nil {
		return meta{}, err
	}
	if info.Size() == 0 {
		return meta{}, &Damage{Reason: "the file is empty"}
	}
	newest, found := readMeta(f, 0)
	for at := int64(leastPage); at <= mostPage && at < info.Size(); at *= 2 {
		second, ok := readMeta(f, at)
		if ok && int64(second.pageSize) == at && (!found || second.txid > newest.txid) {
			newest, found = second, true
		}
	}
	if !found {
		return meta{}, &Damage{Reason: "not a bbolt database: no valid meta page"}
	}
	if need := newest.highest * uint64(newest.pageSize); need > uint64(info.Size()) {
		return meta{}, damage(0, "the file is cut short: %d bytes, its pages take %d", info.Size(), need)
	}
	return newest, nil
}

// readMeta reads the meta page at that offset, and reports whether it is valid.
func readMeta(f *os.File, at int64) (meta, bool) {
	b := make([]byte, metaLen)
	if _, err := f.ReadAt(b, at); err != nil {
		return meta{}, false
	}
	m := meta{
		at: at, bytes: b, pageSize: int(le.Uint32(b[metaPageSize:])), root: b[metaRoot : metaRoot+bucketHeader],
		freelist: le.Uint64(b[metaFreelist:]), highest: le.Uint64(b[metaHighest:]), txid: le.Uint64(b[metaTxid:]),
	}
	sum := fnv.New64a()
	sum.Write(b[pageHeader:metaChecksum])
	valid := le.Uint32(b[metaMagic:]) == boltMagic && le.Uint32(b[metaVersion:]) == boltVersion &&
		le.Uint64(b[metaChecksum:]) == sum.Sum64() &&
		m.pageSize >= leastPage && m.pageSize <= mostPage && m.pageSize&(m.pageSize-1) == 0 &&
		m.highest <= 1<<40
	return m, valid
}
