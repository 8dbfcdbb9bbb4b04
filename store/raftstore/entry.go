package raftstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// entryVersion is the version of the bytes of an entry. A release that adds a field raises it for the entries that
// use the field, and reads all earlier versions.
const entryVersion = 1

// Flags of an entry.
const (
	hasBatch byte = 1 << iota
	isMark
	isAudit
	allFlags = hasBatch | isMark | isAudit
)

// An entry is the content of a command in the log:
//
//	version  1 byte
//	flags    1 byte: 1 a batch, 2 the entry marks a restore, 4 an audit
//	limits   three numbers: bytes of an allocation, bytes of a batch, floor
//	audit    four numbers: digestVersion; at, last and sum of a digest
//	batch    the bytes of Batch.MarshalBinary
//	sum      4 bytes: CRC-32C of all before, in every version
//
// raft-wal verifies no checksum when it reads an entry, and TCP's is weak: without a sum of its own, a changed bit
// would make one node differ, or all of them if it is the leader's.
//
// A number is a varint as in encoding/binary. An entry without a batch and a mark changes nothing.
type entry struct {
	limits store.Limits
	mark   bool
	audit  *digest // the leader's, of the audit before; nil for none
	batch  []byte  // nil for none
}

// encode returns the bytes of the entry.
func (e *entry) encode() []byte {
	b := make([]byte, 2, 2+7*binary.MaxVarintLen64+len(e.batch)+sumBytes)
	b[0] = entryVersion
	if e.batch != nil {
		b[1] |= hasBatch
	}
	if e.mark {
		b[1] |= isMark
	}
	b = binary.AppendUvarint(b, uint64(e.limits.AllocationBytes))
	b = binary.AppendUvarint(b, uint64(e.limits.BatchBytes))
	b = binary.AppendUvarint(b, e.limits.Floor)
	if d := e.audit; d != nil {
		b[1] |= isAudit
		for _, v := range [4]uint64{digestVersion, d.at, d.last, d.sum} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return appendSum(append(b, e.batch...))
}

const sumBytes = 4

func appendSum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// cutSum returns the bytes before the sum. Its error is store.ErrCorrupt.
func cutSum(data []byte) ([]byte, error) {
	if len(data) < sumBytes {
		return nil, fmt.Errorf("%w: entry of %d bytes", store.ErrCorrupt, len(data))
	}
	body, sum := data[:len(data)-sumBytes], binary.BigEndian.Uint32(data[len(data)-sumBytes:])
	if is := crc32.Checksum(body, castagnoli); is != sum {
		return nil, fmt.Errorf("%w: entry of %d bytes: the checksum is %08x, and not %08x", store.ErrCorrupt, len(data), is, sum)
	}
	return body, nil
}

// decodeEntry decodes an entry, which shares memory with data. Errors: store.ErrFormatVersion for a later version, and
// store.ErrCorrupt for other bytes. The bytes of the batch are not checked.
func decodeEntry(data []byte) (e entry, err error) {
	if data, err = cutSum(data); err != nil {
		return e, err
	}
	if len(data) < 2 {
		return e, fmt.Errorf("%w: entry of %d bytes", store.ErrCorrupt, len(data))
	}
	version, flags, r := data[0], data[1], entryReader{rest: data[2:]}
	if version != entryVersion {
		return e, fmt.Errorf("%w: entry of version %d; this release knows version %d", store.ErrFormatVersion, version, entryVersion)
	}
	e.limits = store.Limits{AllocationBytes: toInt(r.number()), BatchBytes: toInt(r.number()), Floor: r.number()}
	e.mark = flags&isMark != 0
	if flags&isAudit != 0 {
		version, d := r.number(), digest{r.number(), r.number(), r.number()}
		if e.audit = &d; version != digestVersion {
			*e.audit = digest{} // there is nothing to compare it with
		}
	}
	switch rest := r.rest; {
	case r.bad:
		return entry{}, fmt.Errorf("%w: entry: wrong number at byte %d", store.ErrCorrupt, len(data)-len(rest))
	case flags&^allFlags != 0:
		return entry{}, fmt.Errorf("%w: entry: flags %#x", store.ErrCorrupt, flags)
	case flags&hasBatch == 0 && len(rest) > 0:
		return entry{}, fmt.Errorf("%w: entry: %d bytes after its end", store.ErrCorrupt, len(rest))
	case flags&hasBatch != 0:
		e.batch = rest[:len(rest):len(rest)]
	}
	return e, nil
}

// An entryReader reads numbers. After a wrong one bad is set, and all are 0.
type entryReader struct {
	rest []byte
	bad  bool
}

func (r *entryReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad = r.bad || n <= 0; r.bad {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// toInt returns the limit v, or the largest one.
func toInt(v uint64) int { return int(min(v, math.MaxInt32)) }

// entryAt returns the store's entry at an index.
func (e *entry) entryAt(index uint64) (store.Entry, error) {
	out := store.Entry{Index: index, Limits: e.limits, Mark: e.mark}
	if e.batch != nil {
		out.Batch = new(store.Batch)
		if err := out.Batch.UnmarshalBinary(e.batch); err != nil {
			return out, err
		}
	}
	return out, nil
}

// decodeLog decodes an entry of the log. One of raft's own is an empty entry.
func decodeLog(log *raft.Log) (e store.Entry, audit *digest, err error) {
	if log.Type != raft.LogCommand {
		return store.Entry{Index: log.Index}, nil, nil
	}
	in, err := decodeEntry(log.Data)
	if err == nil {
		e, err = in.entryAt(log.Index)
	}
	if err != nil {
		return store.Entry{}, nil, fmt.Errorf("log entry %d: %w", log.Index, err)
	}
	return e, in.audit, nil
}
