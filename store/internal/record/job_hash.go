package record

import (
	"crypto/sha256"
	"encoding/binary"
)

// A JobHash names a job by its content: the first half of the SHA-256 of its canonical
// encoding. Equal jobs have equal hashes, and two different jobs with one hash cannot be
// made on purpose.
type JobHash [16]byte

// HashJob returns the hash of an encoded job.
func HashJob(body string) JobHash {
	sum := sha256.Sum256(UnsafeBytes(body))
	return JobHash(sum[:])
}

// SumNumber returns the job's number in a ContentSum.
func (h JobHash) SumNumber() uint64 {
	return mix(binary.BigEndian.Uint64(h[:8])) ^ binary.BigEndian.Uint64(h[8:])
}
