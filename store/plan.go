package store

import (
	"errors"
	"fmt"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A plan determines what the batches of one group change, one after the other, before
// anything is committed.
//
// The hard idea: a batch is folded into one draft for each ID it touches, and only the end
// of a draft counts. The writes of one ID apply to its draft in order. Then the draft is
// compared, by content, with the version from before the batch. A draft that is equal
// changed nothing, however many writes it had; any other becomes one record and one
// version. Dropping the drafts refuses the batch as a whole. The steps are in draft.go and fold.go,
// diff.go and encode.go.
//
// The version from before the batch is the published one, or the one that an earlier batch
// of the group made.
//
// A draft works on encoded parts, which the writers' goroutines made. A client's update
// replaces one part, needs nothing of the stored content, and is compared by checksum. The
// stored content is read only for events and statuses, which edit it; for a ClientStatus that
// the scheduler reports; for an update without a NodeID, a JobID or a TaskGroup; for an
// allocation with a NextAllocation; and to confirm that content with an equal checksum is equal.
type plan struct {
	limits *Options
	st     *state.State
	tx     logfile.Tx // the group's, so it also reads the plan's writes
	last   uint64     // the last index used

	overlay map[schema.ID]*state.Version // versions that earlier batches of the group made
	jobs    newJobs
	moves   groupMoves
	changes []change // of all batches, one after the other
	arena   arena
	scratch []byte

	drafts  drafts // of the current batch
	written int    // bytes of the parts in the batch's records
	kept    int    // bytes of the stored records that the batch edits; equal on all replicas

	broken error // of the file, when room for the group was made
	bytes  int64 // of the records that were put into the transaction

	size int // bytes of the parts in all batches of the group, refused ones too
}

// A change is one new version and its record.
type change struct {
	state.Change
	key   record.Key
	value []byte // in the arena
}

func newPlan(limits *Options) *plan {
	return &plan{limits: limits, overlay: make(map[schema.ID]*state.Version), jobs: newJobs{byHash: make(map[record.JobHash]*newJob)}}
}

// begin starts a group.
func (p *plan) begin(st *state.State, tx logfile.Tx) {
	p.st, p.tx, p.last = st, tx, st.Index.Last()
	p.jobs.st = st
}

// reset forgets the group.
func (p *plan) reset() {
	p.st, p.tx = nil, logfile.Tx{}
	clear(p.overlay)
	p.jobs.reset()
	clear(p.changes)
	p.changes = p.changes[:0]
	p.arena.reset()
	p.drafts.reset()
	p.size, p.bytes, p.broken = 0, 0, nil
}

// add plans the batch of r, whose changes are appended to p.changes, and puts its records
// into the transaction. A refused batch has an answer with the reason and no changes. An
// error is one of the database.
func (p *plan) add(r *request) (answer, error) {
	defer p.drafts.reset()
	p.written, p.kept = 0, 0
	first := len(p.changes)
	a, err := p.batch(r)
	if p.broken != nil {
		return answer{}, p.broken
	}
	if err != nil {
		clear(p.changes[first:])
		p.changes = p.changes[:first]
		a = Applied{}
	}
	p.size += p.written
	return answer{a, err}, p.put(p.changes[first:])
}

// batch folds the writes of a batch into drafts, and turns the drafts into changes.
func (p *plan) batch(r *request) (a Applied, err error) {
	at, err := p.indexFor(r)
	if err == nil {
		err = p.require(r.batch)
	}
	if err != nil {
		return a, err
	}
	for i := range r.batch.ops {
		if err := p.fold(&r.batch.ops[i], &a); err != nil {
			return a, fmt.Errorf("batch write %d: %w", i, err)
		}
	}
	first := len(p.changes)
	for _, d := range p.drafts.all {
		n := len(p.changes)
		if err := d.finish(record.Key{Index: at, Pos: uint32(n - first)}); err != nil {
			return a, err
		}
		if len(p.changes) == n {
			a.Unchanged += d.writes
		}
	}
	a.Index = p.last
	if len(p.changes) > first {
		a.Index = at
		err = p.room(p.changes[first:])
	}
	return a, err
}

// room refuses the changes of a batch if the disk has no room for them and the batches before.
// Deletions may use the reserve.
func (p *plan) room(changes []change) error {
	bytes, use := p.bytes+p.jobs.bytes, logfile.ForDeletions
	for i := range changes {
		bytes += int64(record.KeyLen + len(changes[i].value))
		if !changes[i].V.Tombstone() {
			use = logfile.ForWrites
		}
	}
	err := p.tx.Room(bytes, use)
	if !errors.Is(err, ErrNoSpace) {
		p.broken = err
	}
	return err
}

// indexFor returns the index that the batch of r would have.
func (p *plan) indexFor(r *request) (uint64, error) {
	if r.at != nil {
		return index.At(p.last, *r.at)
	}
	return index.Next(p.last)
}

// charge adds n bytes of allocation id to a total of the batch, and refuses the batch above
// Options.MaxBatchBytes, unless they are the first: the limit may have been lowered since they
// were stored.
func (p *plan) charge(total *int, n int, id schema.ID) error {
	if *total += n; *total > p.limits.MaxBatchBytes && *total > n {
		return fmt.Errorf("%w: batch: %d bytes up to allocation %v, with the stored content that is written again; Options.MaxBatchBytes is %d",
			ErrTooLarge, *total, id, p.limits.MaxBatchBytes)
	}
	return nil
}

// put writes the changes of a batch and the jobs that they are the first to carry, and
// shows them to the batches that follow. A job that no change refers to is not
// written.
func (p *plan) put(changes []change) error {
	for i := range changes {
		ch := &changes[i]
		p.last = ch.key.Index
		p.overlay[ch.ID] = ch.V
		if p.moves.tracked {
			p.noteMoves(&ch.Change)
		}
		p.bytes += int64(record.KeyLen + len(ch.value))
		if err := p.jobs.put(p.tx, ch.V.Job); err != nil {
			return err
		}
		if err := p.tx.Put(ch.key, ch.value); err != nil {
			return err
		}
		p.st.Manifest.Sum.Add(record.SumNumber(ch.key, ch.value))
	}
	return nil
}

// encode returns a part of a, in the arena.
func (p *plan) encode(of side, a *schema.Allocation) part {
	var ended lists.Ended
	if of == clientSide {
		p.scratch, ended = codec.AppendClient(p.scratch[:0], a), lists.EndedOf("", a.ClientStatus)
	} else {
		p.scratch, ended = codec.AppendScheduler(p.scratch[:0], a), lists.EndedOf(a.DesiredStatus, "")
	}
	return newPart(record.UnsafeString(append(p.arena.alloc(len(p.scratch)), p.scratch...)), ended)
}
