package plan

import (
	"errors"
	"fmt"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A Plan plans the batches of one group after the other. Its memory is reused from group to group.
type Plan struct {
	limits Limits // of the current batch
	st     *state.State
	tx     logfile.Tx // the group's, so it also reads the plan's writes

	last     uint64 // the last index used
	applied  uint64 // the highest index that a caller gave, and not below last
	kept     uint64 // the highest floor of an entry
	restored uint64 // the index of the last restore or mark
	floor    uint64 // below it no condition on a list holds, in the current batch

	overlay map[schema.ID]*state.Version // versions that earlier batches of the group made
	jobs    newJobs
	lists   groupLists
	changes []Change // of all batches, one after the other
	arena   arena
	scratch []byte

	drafts  drafts // of the current batch
	written int    // bytes of the parts in the batch's records
	edited  int    // bytes of the stored records that the batch edits; equal on all replicas

	broken error // of the file, when room for the group was made
	bytes  int64 // of the records that were put into the transaction
	size   int   // bytes of the parts in all batches of the group, refused ones too
}

// A Change is one new version and its record.
type Change struct {
	state.Change
	Key    record.Key
	Value  []byte // in the arena
	Digest uint64 // to be added to the digest
}

// Limits are the bounds of a batch. In errors Of precedes their names, such as "Options.Max".
type Limits struct {
	BatchBytes, AllocationBytes int
	Of                          string
}

// A Batch is one batch of a group.
type Batch struct {
	Ops        []Op
	Conditions []Condition
	Limits     Limits

	// At is the caller's index, or nil for the next one. Entry says that the batch is an entry: its
	// index counts as applied even if the batch is refused. Floor is the entry's own; see
	// Plan.Kept.
	At    *uint64
	Entry bool
	Floor uint64
}

// Applied is the result of a batch; see store.Applied, which has the same fields.
type Applied struct {
	Index     uint64
	Unknown   []string
	Unchanged int
}

// codec encodes edited parts.
var codec schema.Codec

// New returns a plan without a group.
func New() *Plan {
	return &Plan{overlay: make(map[schema.ID]*state.Version), jobs: newJobs{byHash: make(map[record.JobHash]*newJob)}}
}

// Begin starts a group, whose records go into tx.
func (p *Plan) Begin(st *state.State, tx logfile.Tx) {
	p.st, p.tx, p.last = st, tx, st.Index.Last()
	p.applied, p.kept, p.restored = st.Applied(), st.Kept.Load(), st.Restored.Load()
	p.jobs.st = st
	p.lists.reset()
}

// Reset forgets the group, the changes that were returned too. The transaction has ended: it had
// values that are in the plan's memory.
func (p *Plan) Reset() {
	p.st, p.tx = nil, logfile.Tx{}
	clear(p.overlay)
	p.jobs.reset()
	clear(p.changes)
	p.changes = p.changes[:0]
	p.arena.reset()
	p.drafts.reset()
	p.size, p.bytes, p.broken = 0, 0, nil
}

// Changes returns the changes of the group's batches, one batch after the other. They are valid
// until Reset.
func (p *Plan) Changes() []Change { return p.changes }

// Last returns the last index as of the latest batch.
func (p *Plan) Last() uint64 { return p.last }

// Applied returns the applied index as of the latest batch, which is not below Last.
func (p *Plan) Applied() uint64 { return p.applied }

// Kept returns the highest floor that an entry had, as of the latest batch. Changes above it are
// known on every node, so a condition on a list holds on all of them or on none. Below it no
// condition of an entry holds.
func (p *Plan) Kept() uint64 { return p.kept }

// Restored returns the index of the last restore or mark, as of the latest batch.
func (p *Plan) Restored() uint64 { return p.restored }

// Size returns the bytes of the parts in all batches of the group, refused ones too.
func (p *Plan) Size() int { return p.size }

// PublishJobs makes the jobs of the committed group known.
func (p *Plan) PublishJobs() { p.jobs.publish() }

// Add plans a batch, and puts its records into the transaction. refused says why the batch changes
// nothing: a *Conflict, another fault of the batch, or no room. err is an error of the file, after
// which the group cannot be committed.
func (p *Plan) Add(b *Batch) (a Applied, refused, err error) {
	defer p.drafts.reset()
	p.written, p.edited = 0, 0
	p.limits, p.floor = b.Limits, 0
	if b.Entry {
		p.floor = max(p.kept, b.Floor)
	}
	first := len(p.changes)
	a, refused = p.batch(b)
	if p.broken != nil {
		return Applied{}, nil, p.broken
	}
	if refused != nil {
		clear(p.changes[first:])
		p.changes = p.changes[:first]
		a = Applied{}
	}
	if b.At != nil && (refused == nil || b.Entry && !LocalFault(refused)) {
		p.SetApplied(*b.At, b.Floor)
	}
	p.size += p.written
	return a, refused, p.put(p.changes[first:])
}

// LocalFault reports whether a refusal is due to this node and not to the batch: another node may
// take the same batch.
func LocalFault(refused error) bool {
	return errors.Is(refused, logfile.ErrNoSpace) || errors.Is(refused, record.ErrCorrupt)
}

// SetApplied sets the applied index, which must rise, and raises Kept to the floor of the entry.
func (p *Plan) SetApplied(index, floor uint64) { p.applied, p.kept = index, max(p.kept, floor) }

// Mark marks a restore at an index above the applied one. refused says that there is no room.
func (p *Plan) Mark(index, floor uint64) (refused, err error) {
	if refused = p.room(nil); refused != nil || p.broken != nil {
		return refused, p.broken
	}
	p.SetApplied(index, floor)
	p.last, p.restored = index, index
	return nil, nil
}

// batch folds the writes of a batch into drafts, and turns the drafts into changes.
func (p *Plan) batch(b *Batch) (a Applied, err error) {
	at, err := p.indexFor(b.At)
	if err == nil {
		err = p.require(b.Conditions)
	}
	if err != nil {
		return a, err
	}
	for i := range b.Ops {
		if err := p.fold(&b.Ops[i], &a); err != nil {
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
func (p *Plan) room(changes []Change) error {
	bytes, use := p.bytes+p.jobs.bytes, logfile.ForDeletions
	for i := range changes {
		bytes += int64(record.KeyLen + len(changes[i].Value))
		if !changes[i].V.Tombstone() {
			use = logfile.ForWrites
		}
	}
	err := p.tx.Room(bytes, use)
	if !errors.Is(err, logfile.ErrNoSpace) {
		p.broken = err
	}
	return err
}

// indexFor returns the index of the next batch: the given one, or the one after the applied one.
func (p *Plan) indexFor(given *uint64) (uint64, error) {
	if given != nil {
		return index.At(p.applied, *given)
	}
	return index.Next(p.applied)
}

// charge adds n bytes of allocation id to a total of the batch. Above the limit it refuses the batch,
// unless these bytes are the first: the limit may have been lowered since they were stored.
func (p *Plan) charge(total *int, n int, id schema.ID) error {
	if *total += n; *total > p.limits.BatchBytes && *total > n {
		return fmt.Errorf("%w: batch: %d bytes up to allocation %v, with the stored content that is written again; %sBatchBytes is %d",
			record.ErrTooLarge, *total, id, p.limits.Of, p.limits.BatchBytes)
	}
	return nil
}

// put writes the changes of a batch and the jobs that they are the first to carry, and
// shows them to the batches that follow. A job that no change refers to is not
// written.
func (p *Plan) put(changes []Change) error {
	for i := range changes {
		ch := &changes[i]
		p.last = ch.Key.Index
		p.applied = max(p.applied, p.last)
		p.overlay[ch.ID] = ch.V
		if p.lists.tracked {
			p.noteLists(&ch.Change)
		}
		p.bytes += int64(record.KeyLen + len(ch.Value))
		if err := p.jobs.put(p.tx, ch.V.Job); err != nil {
			return err
		}
		if err := p.tx.Put(ch.Key, ch.Value); err != nil {
			return err
		}
		p.st.Manifest.Sum.Add(record.SumNumber(ch.Key, ch.Value))
	}
	return nil
}

// encode returns a part of a, in the arena.
func (p *Plan) encode(of side, a *schema.Allocation) Part {
	if of == clientSide {
		p.scratch = codec.AppendClient(p.scratch[:0], a)
		return ClientPart(p.keepScratch(), a.ClientStatus)
	}
	p.scratch = codec.AppendScheduler(p.scratch[:0], a)
	return SchedulerPart(p.keepScratch(), a.DesiredStatus)
}

// keepScratch returns a copy of the scratch bytes, in the arena.
func (p *Plan) keepScratch() string {
	return record.UnsafeString(append(p.arena.alloc(len(p.scratch)), p.scratch...))
}
