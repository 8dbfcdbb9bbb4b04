package store

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"allocstore/schema"
)

// A quarantine knows what is damaged in the file: records whose header is right and
// whose parts are not, and jobs that do not have the content that their key says.
// Open finds them; all else that may be wrong with a file it refuses.
//
// The one hard idea: what a damaged record says is lost, but not what it is about. Its
// header, which has a checksum of its own, names the allocation and the version
// that it follows, so the allocation is known to be at this version, and what this
// version is cannot be told. Nothing older is served in its place. Were the header wrong
// too, every allocation of the store might be the one that it has changed.
//
// An allocation is quarantined as long as its newest version needs something that is
// damaged. To read it is ErrCorrupt, by Get, in a wait, in a list, in the feed; to
// write it is ErrCorrupt, since nobody knows what would be changed; to delete it is
// the cure. A damaged job is written again by whoever places an allocation with it. What
// is damaged and superseded does no harm and goes with compaction.
//
// Where an allocation was placed is in the scheduler's part. If that is the damaged
// one, every list of a node, a job or an evaluation has the error at its end: the
// allocation may belong there.
//
// The zero quarantine is empty. Only Open and the committer add and remove.
type quarantine struct {
	n  atomic.Int64 // how many there are; all there is to look at in a sound store
	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		records    map[key]damagedRecord
		jobs       map[jobHash]jobHash // and the hash of what is there
	}
}

// A damagedRecord is of whom the record is, and the checksum of what is there.
type damagedRecord struct {
	id  schema.ID
	sum uint32
}

func (q *quarantine) size() int { return int(q.n.Load()) }

func (q *quarantine) addRecord(k key, r damagedRecord) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.records == nil {
		q.mu.records = make(map[key]damagedRecord)
	}
	q.mu.records[k] = r
	q.countLocked()
}

func (q *quarantine) addJob(h, is jobHash) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.jobs == nil {
		q.mu.jobs = make(map[jobHash]jobHash)
	}
	q.mu.jobs[h] = is
	q.countLocked()
}

// forget forgets a record that was removed from the file.
func (q *quarantine) forget(k key) {
	if q.size() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.mu.records, k)
	q.countLocked()
}

// forgetJob forgets a job that was written again.
func (q *quarantine) forgetJob(h jobHash) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.mu.jobs, h)
	q.countLocked()
}

// heal takes note that the job is in the file as it should be, and counts anew what cannot
// be read. Only the committer calls it.
func (s *Store) heal(h jobHash) {
	s.quarantine.forgetJob(h)
	n := 0
	for _, v := range s.table.all() {
		if s.quarantine.covers(v) {
			n++
		}
	}
	s.counts.quarantined.Store(int64(n))
}

// keepJobs forgets the jobs that were left behind, which are all but those.
func (q *quarantine) keepJobs(used map[jobHash]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for h := range q.mu.jobs {
		if !used[h] {
			delete(q.mu.jobs, h)
		}
	}
	q.countLocked()
}

// become takes over what is in another, which nobody else uses.
func (q *quarantine) become(o *quarantine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.records, q.mu.jobs = o.mu.records, o.mu.jobs
	q.countLocked()
}

// exceeds reports whether something is damaged that is not in another, or is something
// else there. Nobody else uses either.
func (q *quarantine) exceeds(o *quarantine) bool {
	for k, r := range q.mu.records {
		if was, ok := o.mu.records[k]; !ok || was != r {
			return true
		}
	}
	for h, is := range q.mu.jobs {
		if was, ok := o.mu.jobs[h]; !ok || was != is {
			return true
		}
	}
	return false
}

func (q *quarantine) countLocked() { q.n.Store(int64(len(q.mu.records) + len(q.mu.jobs))) }

func (q *quarantine) hasRecord(k key) bool {
	if q.size() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.mu.records[k]
	return ok
}

func (q *quarantine) hasJob(h jobHash) bool {
	if q.size() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.mu.jobs[h]
	return ok
}

// covers reports whether the version cannot be read. A tombstone can.
func (q *quarantine) covers(v *version) bool {
	if q.size() == 0 || v.tombstone() {
		return false
	}
	p := v.pair()
	return q.hasRecord(p.sched) || q.hasRecord(p.client) || q.hasJob(v.job.hash)
}

// what returns the name of what the version lacks.
func (q *quarantine) what(v *version) string {
	switch p := v.pair(); {
	case q.hasRecord(p.sched):
		return fmt.Sprint("record ", p.sched)
	case q.hasRecord(p.client):
		return fmt.Sprint("record ", p.client)
	}
	return fmt.Sprintf("job %x", v.job.hash)
}

// faults returns one for each damaged record, in the order of the log, and for each
// damaged job.
func (q *quarantine) faults() []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []error
	keys := slices.SortedFunc(maps.Keys(q.mu.records), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.pos, b.pos))
	})
	for _, k := range keys {
		all = append(all, fmt.Errorf("allocation %v: %w", q.mu.records[k].id, corruptAt(k, "%v", errDamaged)))
	}
	hashes := slices.SortedFunc(maps.Keys(q.mu.jobs), func(a, b jobHash) int { return bytes.Compare(a[:], b[:]) })
	for _, h := range hashes {
		all = append(all, fmt.Errorf("%w: job %x: %w", ErrCorrupt, h, errDamaged))
	}
	return all
}

// report logs what is damaged in the store's file, if anything is.
func (s *Store) report(path string) {
	faults := s.quarantine.faults()
	if len(faults) == 0 {
		return
	}
	s.logger().Error("allocstore: the file is damaged, what can be read is served",
		"file", path, "damaged", len(faults), "quarantined", s.counts.quarantined.Load(), "first", faults[0])
}

// logger returns where damage is told of.
func (s *Store) logger() *slog.Logger {
	if s.opts.Logger != nil {
		return s.opts.Logger
	}
	return slog.Default()
}
