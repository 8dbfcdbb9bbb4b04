package boltfile

import "bytes"

// A span is the range of a page's keys. The root of a tree may have any keys or be empty. Any
// other page begins with the key from, under which its parent has it: bbolt looks for that
// key when it writes the page again. Its keys are below to, unless to is nil.
type span struct{ from, to []byte }

func (s *span) root() bool { return s.from == nil }

// begins reports whether k may be the first key.
func (s *span) begins(k []byte) bool { return s.root() || bytes.Equal(k, s.from) }

// ends reports whether k may be the last key.
func (s *span) ends(k []byte) bool { return s.to == nil || bytes.Compare(k, s.to) < 0 }
