package raftstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"allocstore/store"
)

// entryVersion is the version of the bytes of an entry. A release that adds a field raises it for the entries that
// use the field, and reads all earlier versions.
const entryVersion = 1

// Flags of an entry.
const (
	hasBatch byte = 1 << iota
	isMark
	allFlags = hasBatch | isMark
)

// An entry is the content of a command in the log:
//
//	version  1 byte
//	flags    1 byte: 1 a batch follows, 2 the entry marks a restore
//	limits   three numbers: bytes of an allocation, bytes of a batch, floor
//	batch    the bytes of Batch.MarshalBinary
//	sum      4 bytes: CRC-32C of all before, in every version
//
// raft-wal verifies no checksum when it reads an entry, and TCP's is weak: without a sum of its own, a changed bit
// would make one node differ, or all of them if it is the leader's.
//
// A number is a varint as in encoding/binary. An entry with neither flag changes nothing.
type entry struct {
	limits store.Limits
	mark   bool
	batch  []byte // nil for none
}

// encode returns the bytes of the entry.
func (e *entry) encode() []byte {
	b := make([]byte, 2, 2+3*binary.MaxVarintLen64+len(e.batch)+sumBytes)
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
	version, flags, rest := data[0], data[1], data[2:]
	if version != entryVersion {
		return e, fmt.Errorf("%w: entry of version %d; this release knows version %d", store.ErrFormatVersion, version, entryVersion)
	}
	var numbers [3]uint64
	for i := range numbers {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return e, fmt.Errorf("%w: entry: limit %d of 3 at byte %d", store.ErrCorrupt, i+1, len(data)-len(rest))
		}
		numbers[i], rest = v, rest[n:]
	}
	switch {
	case flags&^allFlags != 0:
		return e, fmt.Errorf("%w: entry: flags %#x", store.ErrCorrupt, flags)
	case flags&hasBatch == 0 && len(rest) > 0:
		return e, fmt.Errorf("%w: entry: %d bytes after its end", store.ErrCorrupt, len(rest))
	}
	e.limits = store.Limits{AllocationBytes: toInt(numbers[0]), BatchBytes: toInt(numbers[1]), Floor: numbers[2]}
	e.mark = flags&isMark != 0
	if flags&hasBatch != 0 {
		e.batch = rest[:len(rest):len(rest)]
	}
	return e, nil
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

// storeEntry decodes the command at an index of the log.
func storeEntry(index uint64, data []byte) (store.Entry, error) {
	e, err := decodeEntry(data)
	if err != nil {
		return store.Entry{}, fmt.Errorf("log entry %d: %w", index, err)
	}
	out, err := e.entryAt(index)
	if err != nil {
		return store.Entry{}, fmt.Errorf("log entry %d: %w", index, err)
	}
	return out, nil
}
