package schema

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Shared decodes into memory of its own, from memory that does not last, such as that
// of a file, and keeps only once what many allocations have in common: the IDs of
// nodes and evaluations, the names of scores and of what was filtered. Its zero value
// is ready, and its methods may be called from any goroutine.
//
// It remembers so many strings at the most, none of them long, and which ones is left
// to chance where there are more; so nothing has to be forgotten when nodes and
// evaluations go.
type Shared struct {
	table atomic.Pointer[sharedTable]
}

const (
	sharedSets = 4096
	sharedWays = 4
	maxShared  = 63 // bytes of the longest string that is shared
)

// A sharedTable finds a string with two reads of memory that may have to be waited for:
// a set is a cache line, and so is what a string is kept in.
type sharedTable struct {
	sets [sharedSets]sharedSet
	seed maphash.Seed // against strings made to collide
}

// A sharedSet is written without a lock. Where two write at once a tag may end up with
// the other's text: that text is then found by nobody, and gives way in time.
type sharedSet struct {
	tags  [sharedWays]atomic.Uint32 // of the hash, to look at one string only
	texts [sharedWays]atomic.Pointer[sharedText]
	_     [16]byte // to the end of the cache line
}

type sharedText struct {
	len  uint8
	text [maxShared]byte
}

func (t *sharedText) String() string { return unsafe.String(&t.text[0], t.len) }

// DecodeScheduler is the function of that name, but that the strings do not alias src,
// which may change afterwards. It sets a.ID too. What the job in a.Job is called, and
// its groups and tasks, is taken from there.
func (s *Shared) DecodeScheduler(src string, id ID, a *Allocation) error {
	r := reader{src: src, texts: texts{shared: s, job: a.Job}}
	r.texts.addID(&a.ID, id)
	r.scheduler(a)
	return named("scheduler's part", r.settled())
}

// DecodeClient is the function of that name, but that the strings do not alias src.
// The tasks' names are taken from a.Job.
func (s *Shared) DecodeClient(src string, a *Allocation) error {
	r := reader{src: src, texts: texts{shared: s, job: a.Job}}
	r.texts.enterGroup(a.TaskGroup)
	r.client(a)
	return named("client's part", r.settled())
}

// settled is end for a reader that keeps strings: without a fault it copies them.
func (r *reader) settled() error {
	err := r.end()
	if err == nil {
		r.texts.settle()
	}
	return err
}

// of returns a string equal to text that does not alias it.
func (s *Shared) of(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > maxShared {
		return strings.Clone(text)
	}
	t := s.table.Load()
	if t == nil {
		s.table.CompareAndSwap(nil, &sharedTable{seed: maphash.MakeSeed()})
		t = s.table.Load()
	}
	return t.of(text)
}

func (t *sharedTable) of(text string) string {
	h := maphash.String(t.seed, text)
	set, tag := &t.sets[h%sharedSets], uint32(h>>32)
	way := -1
	for i := range set.tags {
		p := set.texts[i].Load()
		switch {
		case p == nil:
			way = i
		case set.tags[i].Load() == tag && p.String() == text:
			return p.String()
		}
	}
	if way < 0 {
		way = rand.IntN(sharedWays)
	}
	own := &sharedText{len: uint8(len(text))}
	copy(own.text[:], text)
	set.texts[way].Store(own)
	set.tags[way].Store(tag)
	return own.String()
}
