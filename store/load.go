package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/schema"
)

// A loader rebuilds the store's memory from the log, in the order in which it
// was written. It reads every record, verifies its checksum and that it follows
// the one it claims to, and decodes no more of the content than where the
// allocation is placed.
type loader struct {
	s     *Store
	last  uint64 // what the meta bucket says
	byID  map[schema.ID]*loading
	slab  []loading
	names map[string]string // node, job and evaluation IDs, each once
}

// loading is an ID's version so far, and where it places the allocation.
type loading struct {
	id    schema.ID
	v     version
	place placement
}

// slabLen is how many loadings or versions are allocated at once.
const slabLen = 64

// load fills the memory of a store that nobody uses yet.
func (s *Store) load() (err error) {
	defer s.file.contain(&err)()
	return s.file.db.View(func(tx *bbolt.Tx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		l := &loader{s: s, byID: make(map[schema.ID]*loading), names: make(map[string]string)}
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
		row = l.newRow(r.id)
	} else if row.v.pair() != r.prev {
		return corruptAt(k, "follows %v, the record before it is %v", r.prev.newest(), row.v.pair().newest())
	}
	var j *job
	if r.flags&flagSched != 0 {
		if j = l.s.jobs.get(r.job); j == nil {
			return corruptAt(k, "no job %x", r.job)
		}
		if row.place, err = placementIn(r.sched); err != nil {
			return corruptAt(k, "scheduler's part: %v", err)
		}
		l.intern(&row.place)
	}
	row.v.take(&r, k, j)
	return nil
}

func (l *loader) newRow(id schema.ID) *loading {
	if len(l.slab) == 0 {
		l.slab = make([]loading, slabLen)
	}
	row := &l.slab[0]
	l.slab = l.slab[1:]
	row.id = id
	l.byID[id] = row
	return row
}

// intern replaces names that alias the file by copies, one for each name.
func (l *loader) intern(p *placement) {
	for kind, name := range p {
		own, ok := l.names[name]
		if !ok {
			own = strings.Clone(name)
			l.names[own] = own
		}
		p[kind] = own
	}
}

// finish moves what was read into the table and the lists. IDs arrive at the
// lists in order, which is their cheapest.
func (l *loader) finish() {
	rows := make([]*loading, 0, len(l.byID))
	for _, row := range l.byID {
		rows = append(rows, row)
	}
	l.byID, l.names = nil, nil
	slices.SortFunc(rows, func(a, b *loading) int { return bytes.Compare(a.id[:], b.id[:]) })
	var slab []version
	for _, row := range rows {
		if len(slab) == 0 {
			slab = make([]version, slabLen)
		}
		v := &slab[0]
		slab = slab[1:]
		v.copyFrom(&row.v)
		l.s.table.put(&row.id, v)
		if v.tombstone() {
			l.s.counts.tombstones.Add(1)
			continue
		}
		l.s.counts.allocations.Add(1)
		l.s.lists.insert(row.id, &row.place)
	}
	l.s.index.Publish(l.last)
}
