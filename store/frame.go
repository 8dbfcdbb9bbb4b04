package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A backup is a stream of frames, after eight bytes that say what it is and four
// with its version:
//
//	kind     1 byte
//	length   4 bytes  of the payload
//	payload
//	checksum 4 bytes  CRC-32C of all of that
//
// The first frame is the head: the index that the backup is of. Then come the records
// up to it, each a key and a value as in the log, in the order of their keys, and each
// job before the first record that names it. The last frame is the foot: how many
// there were, and the sum of all of it. A stream that ends without one was cut short.
const (
	backupMagic   = "allocbak"
	backupVersion = 1
)

type frameKind byte

const (
	headFrame   frameKind = 'h' // index
	jobFrame    frameKind = 'j' // body
	recordFrame frameKind = 'r' // key, value
	footFrame   frameKind = 'f' // floor, restored, records, jobs, sum

	damagedJobFrame frameKind = 'd' // hash, body
)

const frameHeader = 1 + 4

// appendFrame appends a frame whose payload is all the parts.
func appendFrame(dst []byte, kind frameKind, parts ...[]byte) []byte {
	start, n := len(dst), 0
	for _, p := range parts {
		n += len(p)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, byte(kind)), uint32(n))
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendNumbers appends a frame of numbers.
func appendNumbers(dst []byte, kind frameKind, numbers ...uint64) []byte {
	var payload []byte
	for _, n := range numbers {
		payload = binary.BigEndian.AppendUint64(payload, n)
	}
	return appendFrame(dst, kind, payload)
}

// maxFrame is the size of a backup's largest frame: that of a record with two parts, and
// at least of what a store with other options may have written.
func (o *Options) maxFrame() int64 {
	return max(64<<20, int64(2*o.MaxAllocationBytes+maxHeader+binHeader+keyLen))
}

// A frameReader reads a backup, and believes nothing: a length allocates no more than
// what arrives.
type frameReader struct {
	r       io.Reader
	most    int64 // bytes of a payload
	at      int64 // bytes read
	payload bytes.Buffer
}

var (
	errBackup = errors.New("no backup of a store")
	errMore   = errors.New("more after the end")
)

// begin reads what comes before the frames.
func (f *frameReader) begin() error {
	var b [len(backupMagic) + 4]byte
	if err := f.fill(b[:]); err != nil {
		return f.broken(0, err)
	}
	if string(b[:len(backupMagic)]) != backupMagic {
		return f.broken(0, errBackup)
	}
	if v := binary.BigEndian.Uint32(b[len(backupMagic):]); v != backupVersion {
		return fmt.Errorf("%w: the backup has version %d, this package reads %d", ErrFormatVersion, v, backupVersion)
	}
	return nil
}

// next returns the next frame. The payload is good until the call after.
func (f *frameReader) next() (frameKind, []byte, error) {
	at := f.at
	var head [frameHeader]byte
	if err := f.fill(head[:]); err != nil {
		return 0, nil, f.broken(at, err)
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if length > f.most {
		return 0, nil, fmt.Errorf("%w: backup at byte %d: a frame of %d bytes; if it has them, %w: at most %d are taken, see Options.MaxAllocationBytes", ErrCorrupt, at, length, ErrTooLarge, f.most)
	}
	f.payload.Reset()
	n, err := io.CopyN(&f.payload, f.r, length)
	f.at += n
	var sum [checksum]byte
	if err == nil {
		err = f.fill(sum[:])
	}
	if err == nil && binary.BigEndian.Uint32(sum[:]) != crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, f.payload.Bytes()) {
		err = errChecksum
	}
	if err != nil {
		return 0, nil, f.broken(at, err)
	}
	return frameKind(head[0]), f.payload.Bytes(), nil
}

// end fails if anything follows.
func (f *frameReader) end() error {
	at := f.at
	var b [1]byte
	err := f.fill(b[:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = errMore
	}
	return f.broken(at, err)
}

func (f *frameReader) fill(b []byte) error {
	n, err := io.ReadFull(f.r, b)
	f.at += int64(n)
	return err
}

// broken says where the stream is not what it should be, or passes on why it cannot
// be read.
func (f *frameReader) broken(at int64, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errShort
	case errors.Is(err, errChecksum), errors.Is(err, errBackup), errors.Is(err, errMore), errors.Is(err, errShape), errors.Is(err, errShort):
	default:
		return err
	}
	return fmt.Errorf("%w: backup at byte %d: %w", ErrCorrupt, at, err)
}

// parseNumbers reads the payload of a frame of n numbers.
func parseNumbers(payload []byte, n int) ([]uint64, error) {
	if len(payload) != 8*n {
		return nil, errShape
	}
	all := make([]uint64, n)
	for i := range all {
		all[i] = binary.BigEndian.Uint64(payload[8*i:])
	}
	return all, nil
}
