package lists

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
	"math/bits"

	"allocstore/schema"
)

// A Kind is a kind of list.
type Kind uint8

// Kinds of lists.
const (
	ByNode Kind = iota
	ByJob
	ByEval

	namedKinds = iota // the kinds above, which have a list for each name

	Everything Kind = namedKinds     // the list of all IDs
	Unplaced   Kind = namedKinds + 1 // IDs whose scheduler's part is damaged, so that their place is unknown
)

var kindNames = [...]string{ByNode: "node", ByJob: "job", ByEval: "evaluation"}

// A Name names one list. Text is empty for the kinds that have a single list.
type Name struct {
	Kind Kind
	Text string
}

// Named reports whether the list is that of a node, a job or an evaluation.
func (n Name) Named() bool { return n.Kind < namedKinds }

// String describes the list.
func (n Name) String() string {
	switch n.Kind {
	case Everything:
		return "all allocations"
	case Unplaced:
		return "allocations of unknown placement"
	}
	return fmt.Sprintf("%s %q", kindNames[n.Kind], n.Text)
}

// Holds reports whether a belongs to the list.
func (n Name) Holds(a *schema.Allocation) bool {
	switch n.Kind {
	case ByNode:
		return a.NodeID == n.Text
	case ByJob:
		return a.JobID == n.Text
	case ByEval:
		return a.EvalID == n.Text
	}
	return true
}

// A Variant says which members of a list count, and which of their changes. Its values are flags.
type Variant uint8

const (
	// NonTerminal leaves out the members that are terminal.
	NonTerminal Variant = 1 << iota

	// Placements leaves out the changes that only a client made, apart from arrivals and
	// departures.
	Placements

	variants = 1 << iota // their number
)

// has reports whether v has the flag.
func (v Variant) has(flag Variant) bool { return v&flag != 0 }

// A WatchID is the ID under which readers wait for one variant of a list; see package watch.
type WatchID = [16]byte

// A Class is a group of lists: those of one kind and variant, or those of the prefixes of one
// length.
type Class uint8

// Classes is the number of classes.
const Classes = variants * (namedKinds + prefixLengths)

// A ClassSet is a set of classes: bit c%64 of the word c/64 for class c.
type ClassSet [4]uint64

// has reports whether c is in the set.
func (s *ClassSet) has(c Class) bool { return s[c/64]>>(c%64)&1 != 0 }

// all yields the classes in the set that are not below least.
func (s *ClassSet) all(least Class) iter.Seq[Class] {
	return func(yield func(Class) bool) {
		for word := int(least / 64); word < len(s); word++ {
			rest := s[word]
			if word == int(least/64) {
				rest &= ^uint64(0) << (least % 64)
			}
			for ; rest != 0; rest &= rest - 1 {
				if !yield(Class(64*word + bits.TrailingZeros64(rest))) {
					return
				}
			}
		}
	}
}

// prefixLengths counts the lengths that a prefix of an ID may have, in digits.
const prefixLengths = 2*len(schema.ID{}) + 1

// ClassOf returns the class of a variant of the lists of a kind, which is not Unplaced.
func ClassOf(k Kind, v Variant) Class { return Class(variants*int(k)) + Class(v) }

// PrefixClass returns the class of a variant of the prefixes of that many digits. Everything is
// the prefix without digits.
func PrefixClass(digits int, v Variant) Class {
	return ClassOf(Everything, v) + Class(variants*digits)
}

// seed makes it impossible to choose names that share a WatchID.
var seed = maphash.MakeSeed()

// Watch returns the WatchID of a variant of the list, which need not exist.
func (n Name) Watch(v Variant) WatchID {
	if !n.Named() {
		return Prefix(schema.ID{}, 0, v)
	}
	return watchID(maphash.String(seed, n.Text), ClassOf(n.Kind, v))
}

// Prefix returns the WatchID of a variant of the IDs that share the first digits of id.
func Prefix(id schema.ID, digits int, v Variant) WatchID {
	clear(id[(digits+1)/2:])
	if digits%2 != 0 {
		id[digits/2] &= 0xf0
	}
	return watchID(maphash.Bytes(seed, id[:]), PrefixClass(digits, v))
}

// watchID returns a WatchID of the hash of a list's name, and its class. The other bytes make it
// unlikely to be the ID of an allocation.
func watchID(hash uint64, c Class) (id WatchID) {
	binary.LittleEndian.PutUint64(id[:], hash)
	copy(id[8:], "list  ")
	id[15] = byte(c)
	return id
}
