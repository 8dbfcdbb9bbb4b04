package store

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"allocstore/schema"
	"allocstore/store/internal/batchcodec"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
)

// A Batch is a list of writes that take effect together: at one index, all or
// none. Its zero value is an empty batch.
//
// Each write is copied, encoded and checked when it is added, in the caller's goroutine, so
// that work never holds up the committer. Apply returns the faults of all writes and conditions, and
// then changes nothing. A Batch must not be used by several goroutines at a time, Apply included.
//
// Expect and ExpectList make a batch conditional on what its writer has read. All conditions are
// tested at the batch's turn, before its own writes; if one does not hold, nothing is written.
//
// Applying does not empty a Batch. Applied again, with or without more writes, it repeats all
// its writes, and so takes back later writes of others to the same fields. Reset empties it for
// other writes.
type Batch struct {
	ops        []plan.Op
	errs       []error
	conditions conditions

	// bytes has the encoded parts, one after the other. The ops hold slices of it, or of
	// its memory before it grew; these bytes are never written again.
	bytes []byte

	size      int // encoded bytes, each job once
	largest   int // the encoded size of the largest write
	largestAt int // its position

	jobs    map[record.JobHash]*plan.Job
	lastJob *plan.Job // of the last Upsert that had one: neighbours often share it
}

// Len returns the number of writes in the batch, without the conditions.
func (b *Batch) Len() int { return len(b.ops) + len(b.errs) }

// codec encodes writes.
var codec schema.Codec

// keptBytes bounds the memory that a batch of the pool keeps.
const keptBytes = 1 << 16

// Reset empties the batch, its conditions and faults too, and keeps its memory for the next writes. It may be
// called as soon as Apply has returned, whatever Apply returned.
func (b *Batch) Reset() {
	clear(b.ops)
	clear(b.conditions.all)
	*b = Batch{ops: b.ops[:0], bytes: b.bytes[:0], conditions: conditions{all: b.conditions.all[:0]}}
}

// recycle is Reset for a batch of the pool: it keeps little memory.
func (b *Batch) recycle() {
	if cap(b.bytes) > keptBytes || len(b.ops) > keptBytes/64 {
		*b = Batch{}
	}
	b.Reset()
}

// Upsert adds the scheduler's write of a, which REPLACES every field that the scheduler owns:
// a field that is empty in a is emptied in the store. To change the desired status alone use
// SetDesiredStatus.
//
// It is an insert if the store does not hold the ID when the batch is applied, and an update
// otherwise. An insert stores all of a; without a Job the whole batch is refused with ErrNoJob.
// An update leaves the client's fields: ClientStatus, which it sets only to lost or unknown,
// ClientDescription, TaskStates and ClientExtra. A nil Job keeps the stored one. An update that
// would empty the stored NodeID, JobID or TaskGroup refuses the whole batch with ErrInvalid.
//
// An empty JobID takes the Job's ID. The indexes in a are ignored. If the store holds
// a.PreviousAllocation, that allocation's NextAllocation is set, which moves its ModifyIndex. An
// update replaces NextAllocation too: make it from the newest version.
//
// Upsert copies a; the caller keeps it.
func (b *Batch) Upsert(a *schema.Allocation) {
	o := plan.Op{Kind: plan.Upsert}
	if b.refused("Upsert", validate(a)) || b.refused("Upsert", b.encodeUpsert(&o, a)) {
		return
	}
	b.add(o)
}

// validate returns the faults of a. The job's are returned only beside others: encodeJob looks
// for them.
func validate(a *schema.Allocation) error {
	if a != nil {
		own := *a
		if own.Job = nil; own.Validate() == nil {
			return nil
		}
	}
	return a.Validate()
}

// encodeUpsert fills o with a copy of a, which is valid, its job aside.
func (b *Batch) encodeUpsert(o *plan.Op, a *schema.Allocation) (err error) {
	if o.ID, err = schema.ParseID(a.ID); err != nil {
		return err
	}
	if o.Previous, err = plan.ParseOptional(a.PreviousAllocation); err != nil {
		return err
	}
	if o.Next, err = plan.ParseOptional(a.NextAllocation); err != nil {
		return err
	}
	in := a
	previous, needsJobID := o.Previous.String(), a.JobID == "" && a.Job != nil
	if previous != a.PreviousAllocation || needsJobID {
		canonical := *a
		canonical.PreviousAllocation = previous
		if needsJobID {
			canonical.JobID = a.Job.ID
		}
		in = &canonical
	}
	o.Empty = plan.EmptyFields(in)
	o.Sched = plan.SchedulerPart(b.keep(codec.AppendScheduler(b.bytes, in)), in.DesiredStatus)
	o.Client = plan.ClientPart(b.keep(codec.AppendClient(b.bytes, in)), in.ClientStatus)
	o.Report = plan.Report(a.ClientStatus)
	if a.Job != nil {
		o.Job, err = b.encodeJob(a.Job)
	}
	return err
}

// keep adopts the grown memory of the batch, and returns the part that was appended to it.
func (b *Batch) keep(bytes []byte) string {
	part := record.UnsafeString(bytes[len(b.bytes):])
	b.bytes = bytes
	return part
}

// encodeJob returns the job encoded, or its faults. Equal jobs of a batch become one. The caller
// adds a write with the job.
func (b *Batch) encodeJob(in *schema.Job) (_ *plan.Job, err error) {
	start, last := len(b.bytes), ""
	if b.lastJob != nil {
		last = b.lastJob.Body
	}
	if b.bytes, err = codec.AppendValidJob(b.bytes, in, last); err != nil {
		b.bytes = b.bytes[:start]
		return nil, err
	}
	body := record.UnsafeString(b.bytes[start:])
	if b.lastJob == nil || b.lastJob.Body != body {
		hash := record.HashJob(body)
		if b.lastJob = b.jobs[hash]; b.lastJob == nil {
			b.addJob(&plan.Job{Hash: hash, Body: body})
			return b.lastJob, nil // which keeps its bytes
		}
	}
	b.bytes = b.bytes[:start]
	return b.lastJob, nil
}

// addJob adds j, the first of its content in the batch.
func (b *Batch) addJob(j *plan.Job) {
	if b.jobs == nil {
		b.jobs = make(map[record.JobHash]*plan.Job)
	}
	b.jobs[j.Hash], b.lastJob = j, j
	b.size += len(j.Body)
}

// UpdateFromClient adds the client's write of a, which REPLACES the stored ClientStatus,
// ClientDescription, TaskStates and ClientExtra: task states that a does not have are removed,
// with their events. To change the status alone use SetClientStatus, and AppendTaskEvent for a
// task.
//
// Only ModifyIndex moves. All other fields of a except its ID are ignored. If the store does not
// hold the ID when the batch is applied, the write is skipped and reported in Applied.Unknown.
//
// UpdateFromClient copies a; the caller keeps it.
func (b *Batch) UpdateFromClient(a *schema.Allocation) {
	if b.refused("UpdateFromClient", a.ValidateClient()) {
		return
	}
	id, err := schema.ParseID(a.ID)
	if b.refused("UpdateFromClient", err) {
		return
	}
	body := b.keep(codec.AppendClient(b.bytes, a))
	b.add(plan.Op{Kind: plan.Client, ID: id, Client: plan.ClientPart(body, a.ClientStatus)})
}

// AppendTaskEvent adds one event to a task of an allocation, and moves the task
// to state unless that is "". The task's bookkeeping follows, see
// [schema.TaskState.Record]; a task that has no state yet starts as pending. An
// unknown allocation is skipped and reported in Applied.Unknown. ClientStatus stays: SetClientStatus
// changes it.
//
// An event that the task's ring holds already, equal in every field and with a Time, changes
// nothing, its state included. So an event may be sent again if it is unknown whether it arrived.
func (b *Batch) AppendTaskEvent(allocID, task, state string, ev schema.TaskEvent) {
	id, err := schema.ParseID(allocID)
	switch {
	case err != nil:
	case task == "":
		err = fmt.Errorf("%w: allocation %v: empty task name", ErrInvalid, id)
	case !utf8.ValidString(task) || !utf8.ValidString(state):
		err = fmt.Errorf("%w: allocation %v: task %q, state %q: not UTF-8", ErrInvalid, id, task, state)
	default:
		err = ev.Validate()
	}
	if b.refused("AppendTaskEvent", err) {
		return
	}
	b.add(plan.Op{Kind: plan.Event, ID: id, Event: &plan.TaskEvent{Task: task, State: state, Event: ev.Clone()}})
}

// eventSize returns an upper bound of the bytes that an event adds to the client's part.
func (b *Batch) eventSize(te *plan.TaskEvent) int {
	first := schema.RecordTaskEvent(new(schema.Allocation), te.Task, te.State, te.Event, 0)
	start := len(b.bytes)
	b.bytes = codec.AppendClient(b.bytes, first) // grown here, it is not copied for every event
	size := len(b.bytes) - start
	b.bytes = b.bytes[:start]
	return size
}

// SetClientStatus adds a client's write of ClientStatus and ClientDescription alone: everything
// else stays, the task states and their events too. Only ModifyIndex moves. An unknown
// allocation is skipped and reported in Applied.Unknown. An empty status is ErrInvalid.
func (b *Batch) SetClientStatus(id, status, description string) {
	a := schema.Allocation{ID: id, ClientStatus: status, ClientDescription: description}
	b.setStatus("SetClientStatus", plan.Op{Kind: plan.ClientStatus, Status: &plan.Status{Status: status, Description: description}}, id, a.ValidateClient())
}

// SetDesiredStatus adds a scheduler's write of DesiredStatus and DesiredDescription alone:
// everything else stays. ModifyIndex and AllocModifyIndex move. An unknown allocation is
// skipped and reported in Applied.Unknown. An empty status is ErrInvalid.
func (b *Batch) SetDesiredStatus(id, status, description string) {
	a := schema.Allocation{ID: id, DesiredStatus: status, DesiredDescription: description}
	b.setStatus("SetDesiredStatus", plan.Op{Kind: plan.DesiredStatus, Status: &plan.Status{Status: status, Description: description}}, id, a.Validate())
}

// setStatus adds o, a write of a status, unless it has the fault err or an empty status.
func (b *Batch) setStatus(what string, o plan.Op, id string, err error) {
	if err == nil && o.Status.Status == "" {
		err = fmt.Errorf("%w: allocation %s: empty status", ErrInvalid, id)
	}
	if err == nil {
		o.ID, err = schema.ParseID(id)
	}
	if b.refused(what, err) {
		return
	}
	b.add(o)
}

// Delete adds the removal of an allocation. The store remembers its tombstone, so readers
// that wait for it are told of the deletion. An unknown ID is skipped and reported in
// Applied.Unknown.
func (b *Batch) Delete(id string) {
	parsed, err := schema.ParseID(id)
	if b.refused("Delete", err) {
		return
	}
	b.add(plan.Op{Kind: plan.Delete, ID: parsed})
}

// refused reports whether a write has the fault err. It keeps the fault, which takes the next
// position.
func (b *Batch) refused(what string, err error) bool {
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("batch write %d, %s: %w", b.Len(), what, err))
	}
	return err != nil
}

// add adds o.
func (b *Batch) add(o plan.Op) {
	b.ops = append(b.ops, o)
	b.count(len(b.ops) - 1)
}

// count counts the size of a write, which includes its job. addJob has counted that already.
func (b *Batch) count(at int) {
	o := &b.ops[at]
	size := o.Size()
	if o.Event != nil {
		size += b.eventSize(o.Event)
	}
	if size > b.largest {
		b.largest, b.largestAt = size, at
	}
	b.size += size
	if o.Job != nil {
		b.size -= len(o.Job.Body)
	}
}

// check returns the faults of the batch under the limits.
func (b *Batch) check(l *plan.Limits) error {
	if err := errors.Join(slices.Concat(b.conditions.errs, b.errs)...); err != nil {
		return err
	}
	if b.largest > l.AllocationBytes {
		return fmt.Errorf("%w: batch write %d, allocation %v: %d bytes encoded, %sAllocationBytes is %d",
			ErrTooLarge, b.largestAt, b.ops[b.largestAt].ID, b.largest, l.Of, l.AllocationBytes)
	}
	if b.size > l.BatchBytes {
		return fmt.Errorf("%w: batch of %d writes: %d bytes encoded, %sBatchBytes is %d",
			ErrTooLarge, len(b.ops), b.size, l.Of, l.BatchBytes)
	}
	return nil
}

// MarshalBinary returns the batch as bytes, for a raft log: its writes, its conditions, and the faults
// for which Apply refuses it. Jobs that writes share are there once. Equal batches give equal bytes,
// whose first is a version. The bytes belong to the caller. The error is always nil.
func (b *Batch) MarshalBinary() ([]byte, error) {
	return batchcodec.Append(nil, &batchcodec.Batch{
		Ops: b.ops, Faults: b.errs, Conditions: b.conditions.all, ConditionFaults: b.conditions.errs,
	}), nil
}

// UnmarshalBinary replaces the batch by the one whose bytes are data, and copies all that it keeps.
// Apply then returns the same results and errors as for that batch. The limits of Options are not part
// of a batch: they are those of the store that applies it.
//
// Only the form of data is checked, and it has one form: MarshalBinary returns the same bytes again. A
// version that this package does not know is ErrFormatVersion. Any other fault is
// schema.ErrMalformed, with the offset. An error leaves the batch as it was. The memory
// that it takes is in proportion to data.
func (b *Batch) UnmarshalBinary(data []byte) error {
	in, err := batchcodec.Decode(data)
	if err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	b.Reset()
	b.ops, b.errs, b.conditions.errs = in.Ops, in.Faults, in.ConditionFaults
	for _, j := range in.Jobs {
		b.addJob(j)
	}
	for i := range b.ops {
		if b.count(i); b.ops[i].Job != nil {
			b.lastJob = b.ops[i].Job
		}
	}
	for i := range in.Conditions {
		b.expect(in.Conditions[i])
	}
	return nil
}

// Applied is the result of a batch.
type Applied struct {
	// Index is the batch's own index, or the store's last one if the batch changed nothing.
	// In both cases the content at this index includes the batch.
	Index uint64

	// Unknown has the IDs in client's writes, events and deletions that the store did not
	// hold, in lower case, each once, in the order of the batch. These writes were skipped.
	Unknown []string

	// Unchanged is the number of writes, unknown ones aside, to allocations that the batch
	// leaves as they were.
	Unchanged int
}

// A request is a batch, or an entry, on its way through the committer.
type request struct {
	batch *Batch  // nil in an entry without one
	at    *uint64 // nil: the next index
	entry *entry  // nil for a batch of Apply
	own   Batch   // batch points to it in the one-batch shorthands

	// answered receives the answer, unless the request is withdrawn.
	answered chan answer
}

// size returns the encoded bytes.
func (r *request) size() int {
	if r.batch == nil {
		return 0
	}
	return r.batch.size
}

// conditions returns those of the batch.
func (r *request) conditions() []plan.Condition {
	if r.batch == nil {
		return nil
	}
	return r.batch.conditions.all
}

// An entry is the part of a request that only ApplyEntries has.
type entry struct {
	call   *call
	index  uint64
	limits plan.Limits
	floor  uint64
	mark   bool
	fault  error // why it changes nothing, on every node
}

// A call is one of ApplyEntries. Its entries stand in the queue one after the other.
type call struct {
	err error // why no more of its entries are applied; the committer's
}

// An answer is the result of a request.
type answer struct {
	applied Applied
	err     error
	refused bool // err is that of an entry's batch, and the entry is applied
	skipped bool // the entry had been applied before
}

func newRequest() any { return &request{answered: make(chan answer, 1)} }
