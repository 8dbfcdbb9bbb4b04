package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"allocstore/store/internal/record"
)

// A backup is a stream of frames, after eight bytes of magic and four of version:
//
//	kind     1 byte
//	length   4 bytes  of the payload
//	payload
//	checksum 4 bytes  CRC-32C of all of that
//
// The first frame is the head: the index of the backup. The records up to it follow, each a
// key and a value as in the log, in the order of their keys, and each job before the first
// record that names it. A damaged job has a frame of its own kind, with its hash. The
// last frame is the foot, with the floor, the mark of the last restore, the numbers of records
// and jobs, and the sum of the manifest. A stream without a foot was cut short.
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
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], record.Castagnoli))
}

// appendNumbers appends a frame with the fields of a struct of numbers.
func appendNumbers(dst []byte, kind frameKind, numbers any) []byte {
	payload, _ := binary.Append(nil, binary.BigEndian, numbers) // fails only for other types
	return appendFrame(dst, kind, payload)
}

// parseNumbers reads the payload of such a frame.
func parseNumbers(payload []byte, numbers any) error {
	if n, err := binary.Decode(payload, binary.BigEndian, numbers); err != nil || n != len(payload) {
		return record.ErrShape
	}
	return nil
}

// A backupHead is the content of the first frame, and a backupFoot of the last.
type (
	backupHead struct{ Index uint64 }
	backupFoot struct{ Floor, Restored, Records, Jobs, Sum uint64 }
)

// maxFrame returns the largest size of a backup's frame: a record with two parts, each with a
// status above the limit. It is at least 64 MiB, for backups of stores with other options.
func (o *Options) maxFrame() int64 {
	return max(64<<20, int64(2*(o.MaxAllocationBytes+2*freeStatus)+record.MaxOverhead))
}

// A frameReader reads a backup of any bytes. A length that is wrong allocates no more than
// the bytes that arrive.
type frameReader struct {
	r       io.Reader
	max     int64 // bytes of a payload
	at      int64 // bytes read
	payload bytes.Buffer
}

// isBackup reports whether the file is a backup.
func isBackup(f *os.File) bool {
	var magic [len(backupMagic)]byte
	_, err := f.ReadAt(magic[:], 0)
	return err == nil && string(magic[:]) == backupMagic
}

var (
	errIsBackup = errors.New("is a backup, not a store: restore it into one")

	errBackup = errors.New("no backup of a store")
	errMore   = errors.New("more after the end")
)

// readMagic reads the magic and the version.
func (f *frameReader) readMagic() error {
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

// next returns the next frame. The payload is valid until the next call.
func (f *frameReader) next() (frameKind, []byte, error) {
	at := f.at
	var head [frameHeader]byte
	if err := f.fill(head[:]); err != nil {
		return 0, nil, f.broken(at, err)
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if length > f.max {
		return 0, nil, fmt.Errorf("%w: backup at byte %d: a frame of %d bytes; if it has them, %w: at most %d are taken, see Options.MaxAllocationBytes", ErrCorrupt, at, length, ErrTooLarge, f.max)
	}
	f.payload.Reset()
	n, err := io.CopyN(&f.payload, f.r, length)
	f.at += n
	var sum [4]byte
	if err == nil {
		err = f.fill(sum[:])
	}
	if err == nil && binary.BigEndian.Uint32(sum[:]) != crc32.Update(crc32.Checksum(head[:], record.Castagnoli), record.Castagnoli, f.payload.Bytes()) {
		err = record.ErrChecksum
	}
	if err != nil {
		return 0, nil, f.broken(at, err)
	}
	return frameKind(head[0]), f.payload.Bytes(), nil
}

// expectEnd fails if anything follows.
func (f *frameReader) expectEnd() error {
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

// broken adds the place to an error of the stream's content. It returns an error of reading
// as it is.
func (f *frameReader) broken(at int64, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = record.ErrShort
	case errors.Is(err, record.ErrChecksum), errors.Is(err, errBackup), errors.Is(err, errMore), errors.Is(err, record.ErrShape), errors.Is(err, record.ErrShort):
	default:
		return err
	}
	return fmt.Errorf("%w: backup at byte %d: %w", ErrCorrupt, at, err)
}
