package record

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"allocstore/schema"
)

// A Record is one version of one allocation, without the parts that did not change. A
// client update holds the client's part only and names in Prev the record with the
// scheduler's part. A value in the log bucket is
//
//	header        MessagePack bin 8: the fields below, in fixed places
//	scheduler     MessagePack array, present with FlagSched; see schema.Codec.AppendScheduler
//	client        MessagePack array, present with FlagClient; see schema.Codec.AppendClient
//
// and the header is
//
//	 0  checksum  4 bytes  CRC-32C of the key, and of the value without these four bytes
//	 4  flags     1 byte
//	 5  ID       16 bytes
//	21  prev     24 bytes  the pair of keys of the version that this one replaces
//	45  next     16 bytes  NextAllocation, with FlagNext
//	    created   8 bytes  CreateIndex, with FlagSched
//	    job      16 bytes  hash of the job, with FlagSched
//	    length    4 bytes  length of the scheduler's part, with FlagSched
//	    sum       4 bytes  CRC-32C of the key, and of the header up to here without checksum
//
// Integers are big endian. A header may grow at its end: readers go by the length in
// bin 8, and records of the first stores end before sum. The checksums cover the key, so
// a record under another record's key is detected.
//
// If checksum is wrong and sum is right, the header can be trusted: it says which
// allocation the record belongs to and which version it follows. Only its parts are lost.
type Record struct {
	Flags   Flags
	ID      schema.ID
	Prev    Pair
	Next    schema.ID // with FlagNext
	Created uint64    // with FlagSched
	Job     JobHash   // with FlagSched

	// Sched and Client are the encoded parts. After Parse they alias the value.
	Sched, Client string
}

// Flags say which parts and fields a record has.
type Flags uint8

const (
	FlagSched     Flags = 1 << iota // the scheduler's part
	FlagClient                      // the client's part
	FlagTombstone                   // the allocation was deleted
	FlagNext                        // NextAllocation

	knownFlags = FlagSched | FlagClient | FlagTombstone | FlagNext
)

const (
	binHeader = 2 // the bin 8 code and the header's length
	checksum  = 4
	fixedPart = checksum + 1 + 16 + 2*KeyLen
	schedPart = 8 + 16 + 4
	maxHeader = fixedPart + 16 + schedPart + checksum
)

const (
	// MinSize is the size of the smallest record in the file, key included.
	MinSize = KeyLen + binHeader + fixedPart

	// MaxOverhead is the largest size of a record in the file without its parts.
	MaxOverhead = KeyLen + binHeader + maxHeader
)

// Castagnoli is the table of the CRC-32 that processors compute in hardware.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PartSum returns the checksum of a part. Parts are compared by it first.
func PartSum(part string) uint32 { return crc32.Checksum(UnsafeBytes(part), Castagnoli) }

// Tombstone reports whether the record says that the allocation was deleted.
func (r *Record) Tombstone() bool { return r.Flags&FlagTombstone != 0 }

// PairAt returns the pair of the version that this record made, if its key is k.
func (r *Record) PairAt(k Key) Pair {
	p := r.Prev
	if r.Flags&(FlagSched|FlagTombstone) != 0 {
		p.Sched = k
	}
	if r.Flags&(FlagClient|FlagTombstone) != 0 {
		p.Client = k
	}
	return p
}

// Size returns the length of the encoded record, without its key.
func (r *Record) Size() int { return binHeader + r.headerLen() + len(r.Sched) + len(r.Client) }

func (r *Record) headerLen() int { return r.fieldsLen() + checksum }

// fieldsLen returns the length of the header up to its own checksum.
func (r *Record) fieldsLen() int {
	n := fixedPart
	if r.Flags&FlagNext != 0 {
		n += len(r.Next)
	}
	if r.Flags&FlagSched != 0 {
		n += schedPart
	}
	return n
}

// AppendTo appends the record as the file has it under k.
func (r *Record) AppendTo(dst []byte, k Key) []byte {
	start := len(dst)
	dst = append(dst, msgpcode.Bin8, byte(r.headerLen()), 0, 0, 0, 0, byte(r.Flags))
	dst = append(dst, r.ID[:]...)
	dst = r.Prev.Client.AppendTo(r.Prev.Sched.AppendTo(dst))
	if r.Flags&FlagNext != 0 {
		dst = append(dst, r.Next[:]...)
	}
	if r.Flags&FlagSched != 0 {
		dst = binary.BigEndian.AppendUint64(dst, r.Created)
		dst = append(dst, r.Job[:]...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Sched)))
	}
	dst = binary.BigEndian.AppendUint32(dst, sumRecord(k, dst[start:]))
	dst = append(append(dst, r.Sched...), r.Client...)
	binary.BigEndian.PutUint32(dst[start+binHeader:], sumRecord(k, dst[start:]))
	return dst
}

// sumRecord returns the checksum of the value at k, or of a prefix that has the whole
// fixed part. It feeds the key and the first bytes one by one, because a buffer for
// crc32.Update would be an allocation in every read.
func sumRecord(k Key, value []byte) uint32 {
	crc := ^uint32(0)
	for shift := 56; shift >= 0; shift -= 8 {
		crc = Castagnoli[byte(crc)^byte(k.Index>>shift)] ^ crc>>8
	}
	for shift := 24; shift >= 0; shift -= 8 {
		crc = Castagnoli[byte(crc)^byte(k.Pos>>shift)] ^ crc>>8
	}
	for _, b := range value[:binHeader] {
		crc = Castagnoli[byte(crc)^b] ^ crc>>8
	}
	return crc32.Update(^crc, Castagnoli, value[binHeader+checksum:])
}

// Parse reads the record at k from any bytes. The parts alias value; Parse verifies their
// checksum and does not decode them. With ErrDamaged it returns the record without its
// parts. The other errors are ErrShort, ErrChecksum and ErrShape.
func Parse(k Key, value []byte) (Record, error) {
	if len(value) < binHeader+fixedPart || value[0] != msgpcode.Bin8 {
		return Record{}, ErrShape
	}
	headerLen := int(value[1])
	if headerLen < fixedPart || len(value) < binHeader+headerLen {
		return Record{}, ErrShort
	}
	r, ok := parseHeader(value[binHeader : binHeader+headerLen])
	if binary.BigEndian.Uint32(value[binHeader:]) != sumRecord(k, value) {
		if ok && r.headerValid(k, value, headerLen) {
			return r, ErrDamaged
		}
		return Record{}, ErrChecksum
	}
	if !ok {
		return Record{}, ErrShape
	}
	return r, r.setParts(value, headerLen)
}

// headerValid reports whether the header, which is headerLen long, has its own right
// checksum. A tombstone is a header alone, so its header cannot outlive its content.
func (r *Record) headerValid(k Key, value []byte, headerLen int) bool {
	end := binHeader + r.fieldsLen()
	return !r.Tombstone() && headerLen >= r.headerLen() &&
		binary.BigEndian.Uint32(value[end:]) == sumRecord(k, value[:end])
}

// parseHeader reads the fields of a header of at least fixedPart bytes.
func parseHeader(h []byte) (Record, bool) {
	r := Record{Flags: Flags(h[checksum]), ID: schema.ID(h[checksum+1:])}
	r.Prev.Sched, r.Prev.Client = ParseKey(h[21:]), ParseKey(h[21+KeyLen:])
	if r.Flags&^knownFlags != 0 || r.Flags&(FlagSched|FlagClient|FlagTombstone) == 0 || len(h) < r.fieldsLen() {
		return Record{}, false
	}
	rest := h[fixedPart:]
	if r.Flags&FlagNext != 0 {
		r.Next, rest = schema.ID(rest), rest[16:]
	}
	if r.Flags&FlagSched != 0 {
		r.Created, r.Job = binary.BigEndian.Uint64(rest), JobHash(rest[8:])
	}
	return r, true
}

// setParts sets the parts of a record whose header is headerLen long.
func (r *Record) setParts(value []byte, headerLen int) error {
	body := value[binHeader+headerLen:]
	n := 0
	if r.Flags&FlagSched != 0 {
		length := binary.BigEndian.Uint32(value[binHeader+r.fieldsLen()-4:])
		if uint64(length) > uint64(len(body)) {
			return ErrShort
		}
		n = int(length)
	}
	r.Sched, r.Client = UnsafeString(body[:n]), UnsafeString(body[n:])
	if (r.Client != "") != (r.Flags&FlagClient != 0) || (r.Sched != "") != (r.Flags&FlagSched != 0) {
		return ErrShape
	}
	return nil
}
