package backupstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"allocstore/store/internal/record"
)

var (
	errMagic = errors.New("no backup of a store")
	errMore  = errors.New("more after the end")
)

// A Reader reads a backup of any bytes. A length that is wrong allocates no more than the bytes
// that arrive.
type Reader struct {
	r       io.Reader
	max     int64 // bytes of a payload
	at      int64 // bytes read
	payload bytes.Buffer
}

// NewReader returns a Reader of r that refuses frames with a payload of more than max bytes.
func NewReader(r io.Reader, max int64) *Reader { return &Reader{r: r, max: max} }

// IsBackup reports whether a file begins as a backup does.
func IsBackup(f io.ReaderAt) bool {
	var b [len(magic)]byte
	_, err := f.ReadAt(b[:], 0)
	return err == nil && string(b[:]) == magic
}

// Offset returns the number of bytes read, which is the place of the next frame.
func (r *Reader) Offset() int64 { return r.at }

// ReadMagic reads the magic and the version. Call it first. Its error is ErrFormatVersion for another
// version.
func (r *Reader) ReadMagic() error {
	var b [len(magic) + 4]byte
	if err := r.fill(b[:]); err != nil {
		return r.CorruptAt(0, err)
	}
	if string(b[:len(magic)]) != magic {
		return r.CorruptAt(0, errMagic)
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != version {
		return fmt.Errorf("%w: the backup has version %d, this package reads %d", record.ErrFormatVersion, v, version)
	}
	return nil
}

// Next returns the next frame. The payload is valid until the next call. A frame above the bound is
// ErrCorrupt and ErrTooLarge: its length may be damaged or right.
func (r *Reader) Next() (Kind, []byte, error) {
	at := r.at
	var head [headerLen]byte
	if err := r.fill(head[:]); err != nil {
		return 0, nil, r.CorruptAt(at, err)
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	if length > r.max {
		return 0, nil, fmt.Errorf("%w: backup at byte %d: a frame of %d bytes; if it has them, %w: at most %d are taken, see Options.MaxAllocationBytes", record.ErrCorrupt, at, length, record.ErrTooLarge, r.max)
	}
	r.payload.Reset()
	n, err := io.CopyN(&r.payload, r.r, length)
	r.at += n
	var sum [checksumLen]byte
	if err == nil {
		err = r.fill(sum[:])
	}
	if err == nil && binary.BigEndian.Uint32(sum[:]) != crc32.Update(crc32.Checksum(head[:], record.Castagnoli), record.Castagnoli, r.payload.Bytes()) {
		err = record.ErrChecksum
	}
	if err != nil {
		return 0, nil, r.CorruptAt(at, err)
	}
	return Kind(head[0]), r.payload.Bytes(), nil
}

// ExpectEnd fails if anything follows.
func (r *Reader) ExpectEnd() error {
	at := r.at
	var b [1]byte
	err := r.fill(b[:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = errMore
	}
	return r.CorruptAt(at, err)
}

func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.at += int64(n)
	return err
}

// CorruptAt adds ErrCorrupt and the place to an error of the stream's content. It returns an error
// of reading as it is.
func (r *Reader) CorruptAt(at int64, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = record.ErrShort
	case errors.Is(err, record.ErrChecksum), errors.Is(err, errMagic), errors.Is(err, errMore), errors.Is(err, record.ErrShape), errors.Is(err, record.ErrShort):
	default:
		return err
	}
	return fmt.Errorf("%w: backup at byte %d: %w", record.ErrCorrupt, at, err)
}
