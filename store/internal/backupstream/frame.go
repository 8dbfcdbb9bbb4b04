package backupstream

import (
	"encoding/binary"
	"hash/crc32"

	"allocstore/store/internal/record"
)

const (
	magic   = "allocbak"
	version = 1
)

// A Kind tells how the payload of a frame is read.
type Kind byte

// The kinds of frames, with their payloads.
const (
	HeadFrame   Kind = 'h' // a Head
	JobFrame    Kind = 'j' // body
	RecordFrame Kind = 'r' // key, value
	FootFrame   Kind = 'f' // a Foot

	DamagedJobFrame Kind = 'd' // hash, body
)

const (
	headerLen   = 1 + 4
	checksumLen = 4
)

// A Head is the content of the first frame.
type Head struct{ Index uint64 }

// A Foot is the content of the last frame. Records and Jobs are the numbers of their frames.
type Foot struct{ Floor, Restored, Records, Jobs, Sum uint64 }

// AppendMagic appends the beginning of a stream.
func AppendMagic(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magic...), version)
}

// AppendFrame appends a frame whose payload is all the parts.
func AppendFrame(dst []byte, kind Kind, parts ...[]byte) []byte {
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

// AppendHead appends the first frame.
func AppendHead(dst []byte, h Head) []byte { return appendNumbers(dst, HeadFrame, h) }

// AppendFoot appends the last frame.
func AppendFoot(dst []byte, f Foot) []byte { return appendNumbers(dst, FootFrame, f) }

// ParseHead returns the Head in a payload. Its error is record.ErrShape.
func ParseHead(payload []byte) (h Head, err error) {
	err = parseNumbers(payload, &h)
	return h, err
}

// ParseFoot returns the Foot in a payload. Its error is record.ErrShape.
func ParseFoot(payload []byte) (f Foot, err error) {
	err = parseNumbers(payload, &f)
	return f, err
}

// appendNumbers appends a frame with the fields of a struct of numbers.
func appendNumbers(dst []byte, kind Kind, numbers any) []byte {
	payload, _ := binary.Append(nil, binary.BigEndian, numbers) // fails only for other types
	return AppendFrame(dst, kind, payload)
}

// parseNumbers reads the payload of such a frame.
func parseNumbers(payload []byte, numbers any) error {
	if n, err := binary.Decode(payload, binary.BigEndian, numbers); err != nil || n != len(payload) {
		return record.ErrShape
	}
	return nil
}
