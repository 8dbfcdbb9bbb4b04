package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"allocstore/schema"
)

// A record is one version of one allocation, or rather what is new in it: a
// client update holds the client's part only, and names in prev the record where
// the scheduler's part stays. A value in the log bucket is
//
//	header        MessagePack bin 8: the fields below, in fixed places
//	scheduler     MessagePack array, present with flagSched; see schema.AppendScheduler
//	client        MessagePack array, present with flagClient; see schema.AppendClient
//
// and the header is
//
//	 0  checksum  4 bytes  CRC-32C of the key, and of the value without these four bytes
//	 4  flags     1 byte
//	 5  ID       16 bytes
//	21  prev     24 bytes  the pair of keys of the version that this one replaces
//	45  next     16 bytes  NextAllocation, with flagNext
//	    created   8 bytes  CreateIndex, with flagSched
//	    job      16 bytes  hash of the job, with flagSched
//	    length    4 bytes  length of the scheduler's part, with flagSched
//	    sum       4 bytes  CRC-32C of the key, and of the header up to here without checksum
//
// Integers are big endian. Headers may grow at their end: a reader goes by the
// length in bin 8, and the first stores' records end before sum. The checksums cover the
// key, so a record that turns up in another's place is found out.
//
// Where checksum is wrong and sum is right, it is known which allocation the record is
// a version of and what it follows, but not what it says; see quarantine.
type record struct {
	flags   flags
	id      schema.ID
	prev    pair
	next    schema.ID // with flagNext
	created uint64    // with flagSched
	job     jobHash   // with flagSched

	// The parts are slices of the value that was decoded, or of the part that is
	// to be encoded.
	sched, client string
}

type flags uint8

const (
	flagSched flags = 1 << iota
	flagClient
	flagTombstone
	flagNext

	knownFlags = flagSched | flagClient | flagTombstone | flagNext
)

const (
	binHeader = 2 // the bin 8 code and the header's length
	checksum  = 4
	fixedPart = checksum + 1 + 16 + 2*keyLen
	schedPart = 8 + 16 + 4
	maxHeader = fixedPart + 16 + schedPart + checksum
)

// castagnoli is the polynomial that processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of a part: what two parts are first compared by.
func sumOf(part string) uint32 { return crc32.Checksum(bytesOf(part), castagnoli) }

// tombstone reports whether the record says that the allocation was deleted.
func (r *record) tombstone() bool { return r.flags&flagTombstone != 0 }

// pairAt returns the keys of the version that this record made, at k.
func (r *record) pairAt(k key) pair {
	p := r.prev
	if r.flags&(flagSched|flagTombstone) != 0 {
		p.sched = k
	}
	if r.flags&(flagClient|flagTombstone) != 0 {
		p.client = k
	}
	return p
}

// size is the length of the encoded record.
func (r *record) size() int { return binHeader + r.headerLen() + len(r.sched) + len(r.client) }

func (r *record) headerLen() int { return r.fieldsLen() + checksum }

// fieldsLen is the length of the header up to its own checksum.
func (r *record) fieldsLen() int {
	n := fixedPart
	if r.flags&flagNext != 0 {
		n += len(r.next)
	}
	if r.flags&flagSched != 0 {
		n += schedPart
	}
	return n
}

// appendTo appends the record as it stands in the file at k.
func (r *record) appendTo(dst []byte, k key) []byte {
	start := len(dst)
	dst = append(dst, msgpcode.Bin8, byte(r.headerLen()), 0, 0, 0, 0, byte(r.flags))
	dst = append(dst, r.id[:]...)
	dst = r.prev.client.appendTo(r.prev.sched.appendTo(dst))
	if r.flags&flagNext != 0 {
		dst = append(dst, r.next[:]...)
	}
	if r.flags&flagSched != 0 {
		dst = binary.BigEndian.AppendUint64(dst, r.created)
		dst = append(dst, r.job[:]...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.sched)))
	}
	dst = binary.BigEndian.AppendUint32(dst, sumRecord(k, dst[start:]))
	dst = append(append(dst, r.sched...), r.client...)
	binary.BigEndian.PutUint32(dst[start+binHeader:], sumRecord(k, dst[start:]))
	return dst
}

// sumRecord is the checksum of the value at k, or of the beginning of one, which has a
// whole fixed part. The key and the head are taken byte by byte: in a buffer, for
// crc32.Update, they would be an allocation in every read.
func sumRecord(k key, value []byte) uint32 {
	crc := ^uint32(0)
	for shift := 56; shift >= 0; shift -= 8 {
		crc = castagnoli[byte(crc)^byte(k.index>>shift)] ^ crc>>8
	}
	for shift := 24; shift >= 0; shift -= 8 {
		crc = castagnoli[byte(crc)^byte(k.pos>>shift)] ^ crc>>8
	}
	for _, b := range value[:binHeader] {
		crc = castagnoli[byte(crc)^b] ^ crc>>8
	}
	return crc32.Update(^crc, castagnoli, value[binHeader+checksum:])
}

var (
	errShort    = errors.New("cut short")
	errChecksum = errors.New("wrong checksum")
	errShape    = errors.New("no record")

	// errDamaged says that the header is right and the parts are not.
	errDamaged = errors.New("damaged: wrong checksum")
)

// parseRecord reads the record at k. Its parts alias value; they are checked
// against the checksum but not decoded. With errDamaged it returns the record without
// its parts. It takes any bytes.
func parseRecord(k key, value []byte) (record, error) {
	if len(value) < binHeader+fixedPart || value[0] != msgpcode.Bin8 {
		return record{}, errShape
	}
	headerLen := int(value[1])
	if headerLen < fixedPart || len(value) < binHeader+headerLen {
		return record{}, errShort
	}
	r, ok := parseHeader(value[binHeader : binHeader+headerLen])
	if binary.BigEndian.Uint32(value[binHeader:]) != sumRecord(k, value) {
		if ok && r.headed(k, value, headerLen) {
			return r, errDamaged
		}
		return record{}, errChecksum
	}
	if !ok {
		return record{}, errShape
	}
	return r, r.takeParts(value, headerLen)
}

// headed reports whether the header, which is headerLen long, is what was written. A
// tombstone is nothing but a header.
func (r *record) headed(k key, value []byte, headerLen int) bool {
	end := binHeader + r.fieldsLen()
	return !r.tombstone() && headerLen >= r.headerLen() &&
		binary.BigEndian.Uint32(value[end:]) == sumRecord(k, value[:end])
}

// parseHeader reads the fields of a header of at least fixedPart bytes.
func parseHeader(h []byte) (record, bool) {
	r := record{flags: flags(h[checksum]), id: schema.ID(h[checksum+1:])}
	r.prev.sched, r.prev.client = parseKey(h[21:]), parseKey(h[21+keyLen:])
	if r.flags&^knownFlags != 0 || r.flags&(flagSched|flagClient|flagTombstone) == 0 || len(h) < r.fieldsLen() {
		return record{}, false
	}
	rest := h[fixedPart:]
	if r.flags&flagNext != 0 {
		r.next, rest = schema.ID(rest), rest[16:]
	}
	if r.flags&flagSched != 0 {
		r.created, r.job = binary.BigEndian.Uint64(rest), jobHash(rest[8:])
	}
	return r, true
}

// takeParts sets the parts of a record whose header is headerLen long.
func (r *record) takeParts(value []byte, headerLen int) error {
	body := value[binHeader+headerLen:]
	n := 0
	if r.flags&flagSched != 0 {
		length := value[binHeader+r.fieldsLen()-4:]
		if n = int(binary.BigEndian.Uint32(length)); n > len(body) {
			return errShort
		}
	}
	r.sched, r.client = aliasOf(body[:n]), aliasOf(body[n:])
	if (r.client != "") != (r.flags&flagClient != 0) || (r.sched != "") != (r.flags&flagSched != 0) {
		return errShape
	}
	return nil
}
