package state

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/record"
)

// A Quarantine lists the damage in the file that the store can live with: records whose
// header is right and whose parts are not, and jobs whose content does not match their
// hash. Open finds them, and refuses a file with any other damage.
//
// The hard idea: a damaged record has lost its content, but not its subject. Its header
// has a checksum of its own and names the allocation and the version before. So the
// allocation is known to be at this version, and nothing older is served in its place. If
// the header were damaged too, any allocation of the store could be the one it changed.
//
// An allocation is quarantined while its newest version needs something damaged. Reading
// it is ErrCorrupt, by Get, in a wait, in a list and in the feed. Writing it is ErrCorrupt,
// since the result would be unknown. Deleting it is the cure. A damaged job is rewritten
// by the next placement that carries it. Damage in superseded records does no harm, and
// goes with compaction.
//
// The scheduler's part says where an allocation is placed. If that part is damaged, every
// list of a node, a job or an evaluation ends with the error, since the allocation may
// belong there.
//
// Only Open and the committer change it.
type Quarantine struct {
	n  atomic.Int64 // number of entries, all that the reader of a sound store looks at
	mu struct {
		sync.Mutex // guards the rest; a leaf lock
		records    map[record.Key]damagedRecord
		jobs       map[record.JobHash]record.JobHash // and the hash of the stored bytes
	}
}

// A damagedRecord has the allocation that the record belongs to, and the checksum of the
// stored bytes.
type damagedRecord struct {
	id  schema.ID
	sum uint32
}

// Len returns the number of damaged records and jobs.
func (q *Quarantine) Len() int { return int(q.n.Load()) }

func (q *Quarantine) init() {
	q.mu.records = make(map[record.Key]damagedRecord)
	q.mu.jobs = make(map[record.JobHash]record.JobHash)
}

func (q *Quarantine) addRecord(k record.Key, r damagedRecord) {
	q.update(func() { q.mu.records[k] = r })
}

func (q *Quarantine) addJob(h, stored record.JobHash) {
	q.update(func() { q.mu.jobs[h] = stored })
}

// removeRecord notes that the record was removed from the file.
func (q *Quarantine) removeRecord(k record.Key) {
	if q.Len() > 0 {
		q.update(func() { delete(q.mu.records, k) })
	}
}

// removeJob notes that the job was rewritten.
func (q *Quarantine) removeJob(h record.JobHash) {
	q.update(func() { delete(q.mu.jobs, h) })
}

// KeepJobs removes all jobs that are not in used: compaction left them behind.
func (q *Quarantine) KeepJobs(used map[record.JobHash]bool) {
	q.update(func() {
		maps.DeleteFunc(q.mu.jobs, func(h, _ record.JobHash) bool { return !used[h] })
	})
}

func (q *Quarantine) update(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
	q.n.Store(int64(len(q.mu.records) + len(q.mu.jobs)))
}

// exceeds reports whether q has damage that o has not, or other bytes in its place.
// Neither may change meanwhile.
func (q *Quarantine) exceeds(o *Quarantine) bool {
	for k, r := range q.mu.records {
		if was, ok := o.mu.records[k]; !ok || was != r {
			return true
		}
	}
	for h, stored := range q.mu.jobs {
		if was, ok := o.mu.jobs[h]; !ok || was != stored {
			return true
		}
	}
	return false
}

// HasRecord reports whether the record is damaged.
func (q *Quarantine) HasRecord(k record.Key) bool { return has(q, q.mu.records, k) }

// HasJob reports whether the job is damaged.
func (q *Quarantine) HasJob(h record.JobHash) bool { return has(q, q.mu.jobs, h) }

func has[K comparable, V any](q *Quarantine, in map[K]V, k K) bool {
	if q.Len() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := in[k]
	return ok
}

// Covers reports whether the version cannot be read because of damage. A tombstone can
// always be read.
func (q *Quarantine) Covers(v *Version) bool {
	if q.Len() == 0 || v.Tombstone() {
		return false
	}
	p := v.Pair()
	return q.HasRecord(p.Sched) || q.HasRecord(p.Client) || q.HasJob(v.Job.Hash)
}

// DamagedPart names the damaged record or job that the version needs.
func (q *Quarantine) DamagedPart(v *Version) string {
	switch p := v.Pair(); {
	case q.HasRecord(p.Sched):
		return fmt.Sprint("record ", p.Sched)
	case q.HasRecord(p.Client):
		return fmt.Sprint("record ", p.Client)
	}
	return fmt.Sprintf("job %x", v.Job.Hash)
}

// Faults returns an ErrCorrupt for each damaged record, in the order of the log, and then
// for each damaged job.
func (q *Quarantine) Faults() []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []error
	keys := slices.SortedFunc(maps.Keys(q.mu.records), func(a, b record.Key) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Pos, b.Pos))
	})
	for _, k := range keys {
		all = append(all, fmt.Errorf("allocation %v: %w", q.mu.records[k].id, record.CorruptAt(k, "%v", record.ErrDamaged)))
	}
	hashes := slices.SortedFunc(maps.Keys(q.mu.jobs), func(a, b record.JobHash) int { return bytes.Compare(a[:], b[:]) })
	for _, h := range hashes {
		all = append(all, fmt.Errorf("%w: job %x: %w", record.ErrCorrupt, h, record.ErrDamaged))
	}
	return all
}
