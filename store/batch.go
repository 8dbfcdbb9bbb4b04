package store

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/record"
)

// A Batch is a list of writes that take effect together: at one index, all or
// none. Its zero value is an empty batch.
//
// Each write is copied, encoded and checked when it is added, in the caller's goroutine, so
// that work never holds up the committer. Apply returns the faults of all writes, and then
// changes nothing. A Batch must not be used by several goroutines at a time, Apply included.
//
// Applying does not empty a Batch. Applied again, with or without more writes, it repeats all
// its writes, and so takes back what others have written to the same fields meanwhile. Reset
// empties it for other writes.
type Batch struct {
	ops        []op
	errs       []error
	conditions conditions

	// bytes has the encoded parts, one after the other. The ops hold slices of it, or of
	// its memory before it grew; these bytes are never written again.
	bytes []byte

	size      int // encoded bytes, each job once
	largest   int // the encoded size of the largest write
	largestAt int // its position

	jobs    map[record.JobHash]*encodedJob
	lastJob *encodedJob // of the last Upsert that had one: neighbours often share it
}

type opKind uint8

const (
	opUpsert opKind = iota
	opClient
	opEvent
	opClientStatus
	opDesiredStatus
	opDelete
)

// An op is one write, ready for the committer: checked and encoded. It shares
// nothing with the caller.
type op struct {
	kind opKind
	id   schema.ID

	sched, client  part         // opUpsert has both, opClient the client's
	job            *encodedJob  // opUpsert: nil keeps the stored one
	report         string       // opUpsert: the ClientStatus, if it is one that the scheduler may set
	previous, next optionalID   // opUpsert: PreviousAllocation, NextAllocation
	empty          uint8        // opUpsert: bit i if the i-th of placementFields is empty
	event          *taskEvent   // opEvent
	status         *statusWrite // opClientStatus, opDesiredStatus
}

// placementFields are the fields that an update cannot empty.
var placementFields = [...]string{"NodeID", "JobID", "TaskGroup"}

// placementValues returns the values of placementFields.
func placementValues(a *schema.Allocation) [len(placementFields)]string {
	return [...]string{a.NodeID, a.JobID, a.TaskGroup}
}

// A part is the scheduler's or the client's half of an allocation, encoded. In a draft an
// empty body stands for the stored part.
type part struct {
	body  string
	sum   uint32
	ended lists.Ended // whether its status is terminal
}

func newPart(body string, ended lists.Ended) part {
	return part{body: body, sum: record.PartSum(body), ended: ended}
}

// An encodedJob is a job on its way into the store.
type encodedJob struct {
	hash  record.JobHash
	body  string
	added bool // a write of the batch has it
}

type taskEvent struct {
	task, state string
	event       schema.TaskEvent
}

type statusWrite struct{ status, description string }

func (w statusWrite) len() int { return len(w.status) + len(w.description) }

// Len returns the number of writes in the batch.
func (b *Batch) Len() int { return len(b.ops) + len(b.errs) }

// codec encodes writes.
var codec schema.Codec

// keptBytes bounds the memory that a batch of the pool keeps.
const keptBytes = 1 << 16

// Reset empties the batch, its faults too, and keeps its memory for the next writes. It may be
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
// An update leaves what the client owns: ClientStatus, which it sets only to lost or unknown,
// ClientDescription, TaskStates and ClientExtra. A nil Job keeps the stored one. An update that
// would empty the stored NodeID, JobID or TaskGroup refuses the whole batch with ErrInvalid.
//
// An empty JobID takes the Job's ID. The indexes in a are ignored. If the store holds
// a.PreviousAllocation, that allocation's NextAllocation is set.
//
// Upsert copies a; the caller keeps it.
func (b *Batch) Upsert(a *schema.Allocation) {
	o := op{kind: opUpsert}
	if b.refused("Upsert", validate(a)) || b.refused("Upsert", b.encodeUpsert(&o, a)) {
		return
	}
	size := len(o.sched.body) + len(o.client.body)
	if o.job != nil {
		size += len(o.job.body)
	}
	b.add(o, size)
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
func (b *Batch) encodeUpsert(o *op, a *schema.Allocation) (err error) {
	if o.id, err = schema.ParseID(a.ID); err != nil {
		return err
	}
	if o.previous, err = parseOptional(a.PreviousAllocation); err != nil {
		return err
	}
	if o.next, err = parseOptional(a.NextAllocation); err != nil {
		return err
	}
	in := a
	previous, needsJobID := o.previous.String(), a.JobID == "" && a.Job != nil
	if previous != a.PreviousAllocation || needsJobID {
		canonical := *a
		canonical.PreviousAllocation = previous
		if needsJobID {
			canonical.JobID = a.Job.ID
		}
		in = &canonical
	}
	for i, value := range placementValues(in) {
		if value == "" {
			o.empty |= 1 << i
		}
	}
	o.sched = newPart(b.keep(codec.AppendScheduler(b.bytes, in)), lists.EndedOf(in.DesiredStatus, ""))
	o.client = newPart(b.keep(codec.AppendClient(b.bytes, in)), lists.EndedOf("", in.ClientStatus))
	if a.ClientStatus == schema.ClientStatusLost || a.ClientStatus == schema.ClientStatusUnknown {
		o.report = a.ClientStatus
	}
	if a.Job != nil {
		o.job, err = b.encodeJob(a.Job)
	}
	return err
}

// keep adopts the grown memory of the batch, and returns the part that was appended to it.
func (b *Batch) keep(bytes []byte) string {
	part := record.UnsafeString(bytes[len(b.bytes):])
	b.bytes = bytes
	return part
}

// encodeJob returns the job encoded, or its faults. Equal jobs of a batch become one.
func (b *Batch) encodeJob(in *schema.Job) (_ *encodedJob, err error) {
	start, last := len(b.bytes), ""
	if b.lastJob != nil {
		last = b.lastJob.body
	}
	if b.bytes, err = codec.AppendValidJob(b.bytes, in, last); err != nil {
		b.bytes = b.bytes[:start]
		return nil, err
	}
	body := record.UnsafeString(b.bytes[start:])
	if b.lastJob == nil || b.lastJob.body != body {
		hash := record.HashJob(body)
		if b.lastJob = b.jobs[hash]; b.lastJob == nil {
			b.lastJob = &encodedJob{hash: hash, body: body}
			return b.lastJob, nil // which keeps its bytes
		}
	}
	b.bytes = b.bytes[:start]
	return b.lastJob, nil
}

// An optionalID is the ID of another allocation, if it is set.
type optionalID struct {
	id  schema.ID
	set bool
}

// parseOptional parses an ID. "" is an ID that is not set.
func parseOptional(s string) (optionalID, error) {
	if s == "" {
		return optionalID{}, nil
	}
	id, err := schema.ParseID(s)
	return optionalID{id, err == nil}, err
}

// String returns the ID's canonical text, or "" if it is not set.
func (o optionalID) String() string {
	if !o.set {
		return ""
	}
	return o.id.String()
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
	b.add(op{kind: opClient, id: id, client: newPart(body, lists.EndedOf("", a.ClientStatus))}, len(body))
}

// AppendTaskEvent adds one event to a task of an allocation, and moves the task
// to state unless that is "". The task's bookkeeping follows, see
// [schema.TaskState.Record]; a task that has no state yet starts as pending. An
// unknown allocation is skipped and reported in Applied.Unknown.
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
	te := &taskEvent{task: task, state: state, event: ev.Clone()}
	b.add(op{kind: opEvent, id: id, event: te}, b.eventSize(te))
}

// eventSize returns an upper bound of the bytes that an event adds to the client's part.
func (b *Batch) eventSize(te *taskEvent) int {
	first := schema.RecordTaskEvent(new(schema.Allocation), te.task, te.state, te.event, 0)
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
	b.setStatus("SetClientStatus", op{kind: opClientStatus, status: &statusWrite{status, description}}, id, a.ValidateClient())
}

// SetDesiredStatus adds a scheduler's write of DesiredStatus and DesiredDescription alone:
// everything else stays. ModifyIndex and AllocModifyIndex move. An unknown allocation is
// skipped and reported in Applied.Unknown. An empty status is ErrInvalid.
func (b *Batch) SetDesiredStatus(id, status, description string) {
	a := schema.Allocation{ID: id, DesiredStatus: status, DesiredDescription: description}
	b.setStatus("SetDesiredStatus", op{kind: opDesiredStatus, status: &statusWrite{status, description}}, id, a.Validate())
}

// setStatus adds o, a write of a status, unless it has the fault err or an empty status.
func (b *Batch) setStatus(what string, o op, id string, err error) {
	if err == nil && o.status.status == "" {
		err = fmt.Errorf("%w: allocation %s: empty status", ErrInvalid, id)
	}
	if err == nil {
		o.id, err = schema.ParseID(id)
	}
	if b.refused(what, err) {
		return
	}
	b.add(o, len(o.id)+o.status.len())
}

// Delete adds the removal of an allocation. The store remembers its tombstone, so readers
// that wait for it are told of the deletion. An unknown ID is skipped and reported in
// Applied.Unknown.
func (b *Batch) Delete(id string) {
	parsed, err := schema.ParseID(id)
	if b.refused("Delete", err) {
		return
	}
	b.add(op{kind: opDelete, id: parsed}, len(parsed))
}

// refused reports whether a write has the fault err. It keeps the fault, which takes the next
// position.
func (b *Batch) refused(what string, err error) bool {
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("batch write %d, %s: %w", b.Len(), what, err))
	}
	return err != nil
}

// add adds o, whose encoding has size bytes, its job included.
func (b *Batch) add(o op, size int) {
	if size > b.largest {
		b.largest, b.largestAt = size, len(b.ops)
	}
	b.size += size
	if o.job != nil && !b.addJob(o.job) {
		b.size -= len(o.job.body)
	}
	b.ops = append(b.ops, o)
}

// addJob reports whether j is the first of its content in the batch.
func (b *Batch) addJob(j *encodedJob) bool {
	if j.added {
		return false
	}
	j.added = true
	if b.jobs == nil {
		b.jobs = make(map[record.JobHash]*encodedJob)
	}
	b.jobs[j.hash] = j
	return true
}

// check returns the faults of the batch under the limits of o.
func (b *Batch) check(o *Options) error {
	if err := errors.Join(slices.Concat(b.conditions.errs, b.errs)...); err != nil {
		return err
	}
	if b.largest > o.MaxAllocationBytes {
		return fmt.Errorf("%w: batch write %d, allocation %v: %d bytes encoded, Options.MaxAllocationBytes is %d",
			ErrTooLarge, b.largestAt, b.ops[b.largestAt].id, b.largest, o.MaxAllocationBytes)
	}
	if b.size > o.MaxBatchBytes {
		return fmt.Errorf("%w: batch of %d writes: %d bytes encoded, Options.MaxBatchBytes is %d",
			ErrTooLarge, len(b.ops), b.size, o.MaxBatchBytes)
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

// A request is a batch on its way through the committer.
type request struct {
	batch *Batch
	at    *uint64 // nil: the next index
	own   Batch   // batch points to it in the one-batch shorthands

	// answered receives the answer, unless the request is withdrawn.
	answered chan answer
}

// An answer is what Apply returns.
type answer struct {
	applied Applied
	err     error
}

func newRequest() any { return &request{answered: make(chan answer, 1)} }
