package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/schema"
)

// A loader rebuilds the store's memory from the log, in the order in which it
// was written. It reads every record, verifies its checksum and that it follows
// the one it claims to, and decodes no more of the content than where the
// allocation is placed.
type loader struct {
	s    *Store
	last uint64 // what the meta bucket says
	byID map[schema.ID]*loading
	rows slab[loading]

	// recent are the lists that the last record named: neighbours in the log are
	// mostly of one job and one evaluation.
	recent [byKinds]struct {
		name string // aliases the file
		set  *idset
	}
}

// loading is an ID's version so far, and the lists that it belongs to.
type loading struct {
	id   schema.ID
	v    content
	sets [byKinds]*idset
}

// A slab allocates many at once.
type slab[T any] struct {
	free []T
}

const slabLen = 64

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, slabLen)
	}
	t := &s.free[0]
	s.free = s.free[1:]
	return t
}

// load fills the memory of a store that nobody uses yet, and so without locks.
func (s *Store) load() (err error) {
	defer contain(s.file.db.Path(), &err)()
	return s.file.db.View(func(tx *bbolt.Tx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		l := &loader{s: s, byID: make(map[schema.ID]*loading)}
		if err := l.readMeta(tx.Bucket(metaBucket)); err != nil {
			return err
		}
		if err := l.readJobs(tx.Bucket(jobsBucket)); err != nil {
			return err
		}
		if err := l.readLog(tx.Bucket(logBucket)); err != nil {
			return err
		}
		l.finish()
		return nil
	})
}

// Keys of the meta bucket that compaction and restore leave.
var (
	floorKey    = []byte("floor")
	restoredKey = []byte("restored")
)

func (l *loader) readMeta(meta *bbolt.Bucket) (err error) {
	if l.last, err = index.Read(meta); err != nil {
		return fmt.Errorf("%w: meta: %w", ErrCorrupt, err)
	}
	for _, mark := range []struct {
		key []byte
		to  func(uint64)
	}{{floorKey, l.s.floor.Store}, {restoredKey, l.s.restored.Store}} {
		switch v := meta.Get(mark.key); len(v) {
		case 0:
		case 8:
			mark.to(binary.BigEndian.Uint64(v))
		default:
			return fmt.Errorf("%w: meta: %s of %d bytes", ErrCorrupt, mark.key, len(v))
		}
	}
	return nil
}

// readJobs makes every job known; they are decoded when an allocation needs them.
func (l *loader) readJobs(b *bbolt.Bucket) error {
	return b.ForEach(func(k, _ []byte) error {
		if len(k) != len(jobHash{}) {
			return fmt.Errorf("%w: jobs: key of %d bytes", ErrCorrupt, len(k))
		}
		l.s.jobs.add(&job{hash: jobHash(k)})
		return nil
	})
}

func (l *loader) readLog(b *bbolt.Bucket) error {
	c := b.Cursor()
	var last key
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != keyLen {
			return fmt.Errorf("%w: log: key of %d bytes", ErrCorrupt, len(k))
		}
		at := parseKey(k)
		if !at.after(last) || at.index > l.last {
			return corruptAt(at, "after %v, in a store whose last index is %d", last, l.last)
		}
		last = at
		if err := l.read(at, v); err != nil {
			return err
		}
	}
	return nil
}

// read takes the record at k.
func (l *loader) read(k key, value []byte) error {
	r, err := parseRecord(k, value)
	if err != nil {
		return corruptAt(k, "%v", err)
	}
	row := l.byID[r.id]
	if row == nil {
		row = l.newRow(r.id) // whose pair is zero, like the prev of an ID's first record
	}
	if row.v.pair() != r.prev {
		return corruptAt(k, "follows %v, the record before it is %v", r.prev.newest(), row.v.pair().newest())
	}
	var j *job
	if r.flags&flagSched != 0 {
		if j = l.s.jobs.get(r.job); j == nil {
			return corruptAt(k, "no job %x", r.job)
		}
		place, err := placementIn(r.sched)
		if err != nil {
			return corruptAt(k, "scheduler's part: %v", err)
		}
		l.place(row, &place)
	}
	row.v.take(&r, k, j, sumOf(r.sched), sumOf(r.client))
	return nil
}

// place notes the lists that row belongs to.
func (l *loader) place(row *loading, p *placement) {
	for kind, name := range p {
		recent := &l.recent[kind]
		if recent.set == nil || recent.name != name {
			recent.name, recent.set = name, l.s.lists.setLocked(listKind(kind), name, true)
		}
		row.sets[kind] = recent.set
	}
}

func (l *loader) newRow(id schema.ID) *loading {
	row := l.rows.next()
	row.id = id
	l.byID[id] = row
	return row
}

// finish moves what was read into the table and the lists. IDs arrive at the
// lists in order, which is their cheapest.
func (l *loader) finish() {
	rows := make([]*loading, 0, len(l.byID))
	for _, row := range l.byID {
		rows = append(rows, row)
	}
	l.byID = nil
	slices.SortFunc(rows, func(a, b *loading) int { return bytes.Compare(a.id[:], b.id[:]) })
	var versions slab[version]
	for _, row := range rows {
		v := versions.next()
		v.content = row.v
		l.s.table.put(&row.id, v)
		if v.tombstone() {
			l.s.counts.tombstones.Add(1)
			continue
		}
		l.s.counts.allocations.Add(1)
		l.s.lists.mu.all.add(row.id)
		for _, set := range row.sets {
			set.add(row.id)
		}
	}
	l.s.lists.dropEmptyLocked()
	l.s.index.Publish(l.last)
}
