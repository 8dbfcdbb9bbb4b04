package logfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"allocstore/store/internal/record"
)

// A Note has the numbers of a manifest that older releases do not know, encoded. The empty Note has
// zeros.
//
// The hard idea: releases before this one refuse an unknown key of the meta bucket, an unknown frame
// of a backup, and any other content sum. But they take jobs that no record names, and keep them until
// Compact. So a file or a backup has the Note as a job, under its hash, and the content sum counts
// it as one: numbers and content cannot get apart. No job begins with the byte 0xc1, which MessagePack
// does not use.
//
// A commit writes a Note only when one is needed: while the last index is the applied one, as in most
// commits, a Note with older numbers stays.
type Note string

// noteMagic begins every Note. Two numbers follow, and perhaps those of later releases.
const noteMagic = "\xc1allocstore note"

// NewNote returns the Note with an applied index and the highest floor of an entry, which is not above
// it.
func NewNote(applied, kept uint64) Note {
	b := binary.BigEndian.AppendUint64([]byte(noteMagic), applied)
	return Note(binary.BigEndian.AppendUint64(b, kept))
}

// IsNote reports whether the bytes of a job are those of a Note.
func IsNote(body []byte) bool { return strings.HasPrefix(record.UnsafeString(body), noteMagic) }

var errNote = errors.New("note with impossible numbers")

// ParseNote returns a copy of a Note of any bytes. Its error is record.ErrShape.
func ParseNote(body []byte) (Note, error) {
	n := Note(body)
	if !IsNote(body) || len(n) < len(noteMagic)+16 {
		return "", record.ErrShape
	}
	if applied := n.Applied(); applied == math.MaxUint64 || n.Kept() > applied {
		return "", fmt.Errorf("%w: %w: applied index %d, floor %d", record.ErrShape, errNote, applied, n.Kept())
	}
	return n, nil
}

// Applied returns the applied index, which may be below the last index.
func (n Note) Applied() uint64 { return n.number(0) }

// Kept returns the highest floor of an entry.
func (n Note) Kept() uint64 { return n.number(8) }

func (n Note) number(at int) uint64 {
	if n == "" {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(n[len(noteMagic)+at:]))
}

// hash returns the key of the Note in the jobs bucket, zero for the empty one.
func (n Note) hash() (h record.JobHash) {
	if n != "" {
		h = record.HashJob(string(n))
	}
	return h
}

// Applied returns the applied index, which is at least the last index.
func (m *Manifest) Applied() uint64 { return max(m.Last, m.Note.Applied()) }

// SetApplied sets the applied index of the manifest and the highest floor of an entry. It reports
// whether the file lacks one of them, and has to be written.
func (m *Manifest) SetApplied(applied, kept uint64) (changed bool) {
	if applied > m.Last && applied != m.Note.Applied() || kept != m.Note.Kept() {
		m.Note = NewNote(applied, kept)
	}
	return m.Note.hash() != m.noted
}

// putNote replaces the Note of the file, if it is another one.
func (m *Manifest) putNote(t Tx) error {
	h := m.Note.hash()
	if h == m.noted {
		return nil
	}
	jobs := t.jobs()
	if err := jobs.Delete(m.noted[:]); err != nil { // without that key it does nothing
		return err
	}
	if m.noted = h; m.Note == "" {
		return nil
	}
	return jobs.Put(h[:], []byte(m.Note))
}

// findNote looks whether the file of a Tx has the Note that the manifest names.
func (m *Manifest) findNote(t Tx) {
	if t.jobs().Get(m.noted[:]) == nil {
		m.noted = record.JobHash{}
	}
}

// TakeNote takes an entry of the jobs bucket if it is the Note, and reports whether it was. A damaged
// Note counts as a damaged job.
func (m *StoredManifest) TakeNote(key, body []byte) (bool, error) {
	if h := record.HashJob(record.UnsafeString(body)); !IsNote(body) || string(key) != string(h[:]) {
		return false, nil
	}
	if m.Note != "" {
		return false, fmt.Errorf("%w: bucket jobs: two notes", record.ErrCorrupt)
	}
	n, err := ParseNote(body)
	if err != nil {
		return false, fmt.Errorf("%w: bucket jobs: %w", record.ErrCorrupt, err)
	}
	m.Note, m.noted = n, record.JobHash(key)
	return true, nil
}
