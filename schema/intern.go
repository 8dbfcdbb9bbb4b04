package schema

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"unsafe"
)

const (
	internSets  = 4096
	internWays  = 4
	maxInterned = 63 // bytes of the longest string that is interned
)

// An internTable is a set-associative cache of strings. A full set drops a random entry, so
// the strings of nodes and evaluations that are gone need no removal. A lookup costs at most
// two cache misses: a set is one cache line, and so is a string.
type internTable struct {
	sets [internSets]internSet
	seed maphash.Seed // random, so that colliding strings cannot be prepared
}

// An internSet is written without a lock. Two writes at a time may pair a tag with the other
// write's string: no lookup finds that string, and it is replaced in time.
type internSet struct {
	tags    [internWays]atomic.Uint32 // upper halves of the hashes
	strings [internWays]atomic.Pointer[internedString]
	_       [16]byte // to the end of the cache line
}

type internedString struct {
	len  uint8
	text [maxInterned]byte
}

func (s *internedString) String() string { return unsafe.String(&s.text[0], s.len) }

// intern returns a string equal to text that does not share its memory.
func (c *Codec) intern(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > maxInterned {
		return strings.Clone(text)
	}
	t := c.table.Load()
	if t == nil {
		c.table.CompareAndSwap(nil, &internTable{seed: maphash.MakeSeed()})
		t = c.table.Load()
	}
	return t.intern(text)
}

func (t *internTable) intern(text string) string {
	h := maphash.String(t.seed, text)
	set, tag := &t.sets[h%internSets], uint32(h>>32)
	free := -1
	for i := range set.tags {
		s := set.strings[i].Load()
		switch {
		case s == nil:
			free = i
		case set.tags[i].Load() == tag && s.String() == text:
			return s.String()
		}
	}
	if free < 0 {
		free = rand.IntN(internWays)
	}
	s := &internedString{len: uint8(len(text))}
	copy(s.text[:], text)
	set.strings[free].Store(s)
	set.tags[free].Store(tag)
	return s.String()
}
