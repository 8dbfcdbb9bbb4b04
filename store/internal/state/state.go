package state

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// A State is one file and its content in memory.
//
// Open loads one. Check loads a second one from the same file and compares. Restore loads one
// from a backup and exchanges it for the store's. The committer alone changes the content of
// the state in use. Readers only fill and evict decoded allocations and jobs, and forget list
// entries that no reader needs; the sweeper raises the floor.
//
// A reader keeps the *State that it began with. When the store has another one, the store was
// restored or has caught up: the old file is closed, and the reader goes on with the new one or
// reports it.
type State struct {
	File     *logfile.File
	Index    index.Index // the last published index
	Table    Table       // ID to newest version
	Lists    lists.Lists // node, job and evaluation to IDs
	Jobs     Jobs        // hash to job
	Size     LogSize     // bytes of the log, live and dead
	Damaged  Quarantine  // the damage in the file that the store can live with
	Counts   Counts
	Manifest logfile.Manifest // as of the last commit; the committer's
	digest   digest           // of the content at Index

	// Begun is the last index, or that of the batch that is being published. No version in the table is
	// newer.
	Begun atomic.Uint64

	// Floor is the index up to which deletions and superseded changes may have been
	// forgotten, 0 before the first. The sweeper raises it.
	Floor atomic.Uint64

	// Restored is the index of the last restore, 0 without one. A mark raises it while the state is in
	// use, just before Index. So a reader that finds it above the last index reads both again.
	Restored atomic.Uint64

	// Kept is the highest floor that an entry had. The committer raises it.
	Kept atomic.Uint64

	applied atomic.Uint64 // see Applied

	Codec schema.Codec // interns strings of the allocations that it decodes

	since time.Time // when it took over from another state; zero if it was opened

	residentBytes int64
	hasFreelist   bool // of the file as it was loaded
}

// codec is for the methods of a Codec that keep no state.
var codec schema.Codec

// Counts are the numbers of IDs in a state.
type Counts struct {
	Allocations, Tombstones, Quarantined atomic.Int64
}

// Options are the settings of a State.
type Options struct {
	FeedRetention int          // how many of the latest changes compaction keeps
	ResidentBytes int64        // bound of the decoded allocations; 0 for none
	Logger        *slog.Logger // is told of damage that was mended
}

func newState(o *Options) *State {
	st := &State{residentBytes: o.ResidentBytes}
	st.Table.init()
	st.Lists.Init()
	st.Jobs.init()
	st.Size.init(o.FeedRetention)
	st.Damaged.init()
	return st
}

// Decode returns the allocation of v, which is no tombstone, and makes it resident. It
// reads the file. The caller must keep compaction from removing the records of v.
func (st *State) Decode(id schema.ID, v *Version) (a *schema.Allocation, err error) {
	known, p := hints{v.alloc.Load(), v.Job}, v.Pair()
	err = st.File.View(func(t logfile.Tx) (err error) {
		a, err = st.assemble(t, id, p, known)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("allocation %v: %w", id, err)
	}
	a = st.Table.fill(&id, v, a)
	if st.residentBytes > 0 {
		st.Table.evict(st.residentBytes)
	}
	return a, nil
}

// AsOf returns the allocation as it was at an index, or nil if it did not exist then. p is
// the newest version. The caller must keep compaction from removing the records in between.
func (st *State) AsOf(id schema.ID, p record.Pair, index uint64) (a *schema.Allocation, err error) {
	err = st.File.View(func(t logfile.Tx) error {
		p, err := VersionAt(t, id, p, index)
		if err != nil || p == (record.Pair{}) {
			return err
		}
		a, err = st.Assemble(t, id, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("allocation %v: %w", id, err)
	}
	return a, nil
}

// VersionAt goes back from the version p of an allocation to the one at an index, record by
// record; each names the version that it replaced. The result is zero if the allocation did
// not exist then.
func VersionAt(t logfile.Tx, id schema.ID, p record.Pair, index uint64) (record.Pair, error) {
	for p.Newest().Index > index {
		rec, err := t.Version(id, p.Newest())
		if err != nil {
			return p, err
		}
		if !p.Newest().After(rec.Prev.Newest()) {
			return p, record.CorruptAt(p.Newest(), "follows a later version of allocation %v", id)
		}
		p = rec.Prev
	}
	return p, nil
}

// A Change is one new version that was committed.
type Change struct {
	ID     schema.ID
	V      *Version
	Before *Version // nil if the store did not remember the ID
	Linked bool     // NextAllocation was set, or set to another ID
}

// OfLists returns the change as the lists see it.
func (ch *Change) OfLists() lists.Change {
	index := ch.V.Modified()
	c := lists.Change{ID: ch.ID, Index: index, Is: ch.V.Place, Scheduled: ch.V.Scheduled() == index, Linked: ch.Linked}
	if ch.Before != nil {
		c.Was = ch.Before.Place
	}
	return c
}

// Publish makes a change visible in the table, the lists and the counts. It does not raise Index;
// see PublishIndex. The caller has raised Begun. The table comes before the lists: a reader that
// finds an ID in a list finds its version in the table.
func (st *State) Publish(ch *Change) {
	if ch.Before != nil && st.Damaged.Covers(ch.Before) {
		st.Counts.Quarantined.Add(-1)
	}
	st.Table.put(&ch.ID, ch.V)
	was, is := ch.Before != nil && !ch.Before.Tombstone(), !ch.V.Tombstone()
	if was || is {
		c := ch.OfLists()
		st.Lists.Apply(&c)
	}
	switch {
	case is && !was:
		st.Counts.Allocations.Add(1)
		if ch.Before != nil {
			st.Counts.Tombstones.Add(-1)
		}
	case was && !is:
		st.Counts.Allocations.Add(-1)
		st.Counts.Tombstones.Add(1)
	}
}

// JobRewritten notes that a damaged job is whole in the file again. Only the committer
// calls it.
func (st *State) JobRewritten(h record.JobHash) {
	st.Damaged.removeJob(h)
	n := 0
	for _, v := range st.Table.All() {
		if st.Damaged.Covers(v) {
			n++
		}
	}
	st.Counts.Quarantined.Store(int64(n))
}

// RecordRemoved notes that compaction has removed the record at k, of size bytes. If it was
// a tombstone with which the ID is forgotten, forget is set.
func (st *State) RecordRemoved(id schema.ID, k record.Key, size int, forget bool) {
	st.Size.Log.Add(-int64(size))
	st.Damaged.removeRecord(k)
	if forget && st.Table.forget(&id, k) {
		st.Size.Live.Add(-int64(size))
		st.Counts.Tombstones.Add(-1)
	}
}

// IDs returns how many IDs the state remembers.
func (st *State) IDs() int { return int(st.Counts.Allocations.Load() + st.Counts.Tombstones.Load()) }

// FloorStored trims the lists up to the floor of the manifest, which the file has now. Before, a crash
// could have taken the floor back, and the lists would have forgotten more than the file.
func (st *State) FloorStored() { st.Lists.Trim(st.Manifest.Floor) }

// TakeOver makes the state, which has been loaded and is not in use yet, the one in use. The manifest
// is that of its file, which may have been marked since.
func (st *State) TakeOver(m logfile.Manifest) {
	st.Manifest = m
	st.Restored.Store(m.Restored)
	st.Floor.Store(m.Floor)
	st.Lists.Trim(m.Floor)
	st.Index.Publish(m.Last)
	st.SetApplied(m.Applied(), m.Note.Kept())
	st.since = time.Now()
}

// Forgot returns when the state in use may have forgotten departures last: when the lists did, or when
// the state took over from another one. It is zero if it never has.
func (st *State) Forgot() time.Time {
	if at := st.Lists.Trimmed(); at.After(st.since) {
		return at
	}
	return st.since
}

// Applied returns the applied index: everything at or below it has been applied, and can be read. It
// is at least the last index.
func (st *State) Applied() uint64 { return max(st.applied.Load(), st.Index.Last()) }

// Indexes returns the last index, and that of the last restore, which is not above it. A mark that
// is just being published is waited for; see Restored.
func (st *State) Indexes() (last, restored uint64) {
	for {
		last, restored = st.Index.Last(), st.Restored.Load()
		if restored <= last {
			return last, restored
		}
		runtime.Gosched()
	}
}

// SetApplied sets the applied index, and the highest floor of an entry. Only the committer calls it,
// once everything up to that index is published.
func (st *State) SetApplied(applied, kept uint64) {
	st.Kept.Store(kept)
	st.applied.Store(applied)
}
