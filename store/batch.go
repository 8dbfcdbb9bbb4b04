package store

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"allocstore/schema"
)

// A Batch is a list of writes that take effect together: at one index, all or
// none. Its zero value is an empty batch.
//
// The writes are copied, encoded and checked as they are added, in the caller's
// goroutine; that work never holds up the committer. A fault in one is kept and
// returned by Apply, which then changes nothing. A Batch may be applied more
// than once. It must not be used by several goroutines at a time, Apply included.
type Batch struct {
	ops  []op
	errs []error

	size    int // encoded bytes, each job once
	largest int // the encoded size of the largest write
	which   int // its position

	lastJob  *job // of the last Upsert that had one: neighbours often share it
	jobBody  string
	jobsSeen map[jobHash]*job
}

type opKind uint8

const (
	opUpsert opKind = iota
	opClient
	opEvent
	opDelete
)

// An op is one write, ready for the committer: checked, encoded, and decoded
// again, so that what becomes resident shares nothing with the caller and has
// the same shape as what Open will read.
type op struct {
	kind opKind
	id   schema.ID

	alloc         *schema.Allocation // opUpsert, opClient: what is written, in the store's own memory
	sched, client part
	job           *job // opUpsert: nil keeps the stored one
	jobBody       string

	previous, next optionalID // opUpsert: PreviousAllocation, NextAllocation

	event *taskEvent // opEvent
}

// A part is the scheduler's or the client's half of an allocation's content,
// encoded. An empty body means that it is where the records say.
type part struct {
	body string
	sum  uint32
}

func newPart(body string) part { return part{body: body, sum: sumOf(body)} }

type taskEvent struct {
	task, state string
	event       schema.TaskEvent
}

// scratch are buffers to encode into before the length is known.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// encoded returns what appendTo appends, in memory of its own of just that size.
func encoded(appendTo func([]byte) []byte) string {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	*buf = appendTo((*buf)[:0])
	return string(*buf)
}

// Len returns the number of writes in the batch.
func (b *Batch) Len() int { return len(b.ops) + len(b.errs) }

// Upsert adds the scheduler's write of a: an insert if the store does not hold
// the ID when the batch is applied, an update otherwise.
//
// An insert takes all of a; without a Job it is refused with ErrNoJob, and the
// whole batch with it. An update takes every field that the scheduler owns: all
// but ClientStatus, ClientDescription and TaskStates. Of these it takes a
// ClientStatus of lost or unknown only. A nil Job keeps the stored one. The
// indexes in a are ignored. If the store holds a.PreviousAllocation, that
// allocation's NextAllocation is set.
//
// Upsert copies a; the caller keeps it.
func (b *Batch) Upsert(a *schema.Allocation) {
	if err := a.Validate(); err != nil {
		b.refuse("Upsert", err)
		return
	}
	o := op{kind: opUpsert}
	if err := b.encodeUpsert(&o, a); err != nil {
		b.refuse("Upsert", err)
		return
	}
	b.add(o, len(o.sched.body)+len(o.client.body)+len(o.jobBody))
}

// encodeUpsert fills o with a copy of a, which is valid.
func (b *Batch) encodeUpsert(o *op, a *schema.Allocation) (err error) {
	in := *a // only its fields are changed, not what they point to
	if o.id, err = schema.ParseID(a.ID); err != nil {
		return err
	}
	if o.previous, err = parseOptional(in.PreviousAllocation); err != nil {
		return err
	}
	if o.next, err = parseOptional(in.NextAllocation); err != nil {
		return err
	}
	in.PreviousAllocation, in.NextAllocation = o.previous.String(), o.next.String()
	o.sched = newPart(encoded(func(buf []byte) []byte { return schema.AppendScheduler(buf, &in) }))
	o.client = newPart(encoded(func(buf []byte) []byte { return schema.AppendClient(buf, &in) }))
	if err := b.encodeJob(o, in.Job); err != nil {
		return err
	}
	o.alloc = &schema.Allocation{ID: o.id.String(), NextAllocation: in.NextAllocation}
	if o.job != nil {
		o.alloc.Job = o.job.decoded.Load()
	}
	return errors.Join(schema.DecodeScheduler(o.sched.body, o.alloc), schema.DecodeClient(o.client.body, o.alloc))
}

// encodeJob sets the job of o. Equal jobs of a batch become one.
func (b *Batch) encodeJob(o *op, in *schema.Job) (err error) {
	if in == nil {
		return nil
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	*buf = schema.AppendJob((*buf)[:0], in)
	if b.lastJob == nil || string(*buf) != b.jobBody {
		b.jobBody = string(*buf)
		if b.lastJob, err = newJob(b.jobBody); err != nil {
			return err
		}
	}
	o.job, o.jobBody = b.lastJob, b.jobBody
	return nil
}

// An optionalID is the ID of another allocation, or none.
type optionalID struct {
	id  schema.ID
	set bool
}

// parseOptional returns the ID that s spells, or none for "".
func parseOptional(s string) (optionalID, error) {
	if s == "" {
		return optionalID{}, nil
	}
	id, err := schema.ParseID(s)
	return optionalID{id, err == nil}, err
}

// String returns the ID's canonical text, or "" for none.
func (o optionalID) String() string {
	if !o.set {
		return ""
	}
	return o.id.String()
}

// UpdateFromClient adds the client's write of a: its ClientStatus,
// ClientDescription and TaskStates replace the stored ones, and only ModifyIndex
// moves. No other field of a but its ID is looked at. An ID that the store does
// not hold when the batch is applied is skipped and reported in Applied.Unknown.
//
// UpdateFromClient copies a; the caller keeps it.
func (b *Batch) UpdateFromClient(a *schema.Allocation) {
	if err := a.ValidateClient(); err != nil {
		b.refuse("UpdateFromClient", err)
		return
	}
	o := op{kind: opClient, alloc: new(schema.Allocation)}
	var err error
	if o.id, err = schema.ParseID(a.ID); err != nil {
		b.refuse("UpdateFromClient", err)
		return
	}
	o.client = newPart(encoded(func(buf []byte) []byte { return schema.AppendClient(buf, a) }))
	if err = schema.DecodeClient(o.client.body, o.alloc); err != nil {
		b.refuse("UpdateFromClient", err)
		return
	}
	b.add(o, len(o.client.body))
}

// AppendTaskEvent adds one event to a task of an allocation, and moves the task
// to state unless that is "". The task's bookkeeping follows, see
// [schema.TaskState.Record]; a task that has no state yet starts as pending. An
// unknown allocation is skipped and reported in Applied.Unknown.
func (b *Batch) AppendTaskEvent(allocID, task, state string, ev schema.TaskEvent) {
	id, err := schema.ParseID(allocID)
	if err == nil && task == "" {
		err = fmt.Errorf("%w: allocation %v: empty task name", ErrInvalid, id)
	}
	if err != nil {
		b.refuse("AppendTaskEvent", err)
		return
	}
	te := &taskEvent{task: task, state: state, event: ev}
	te.event.Details = maps.Clone(ev.Details)
	b.add(op{kind: opEvent, id: id, event: te}, eventSize(te))
}

// eventSize is an upper estimate of what an event adds to the client's part.
func eventSize(te *taskEvent) int {
	ts := new(schema.TaskState)
	ts.Record(te.state, te.event)
	a := schema.Allocation{TaskStates: map[string]*schema.TaskState{te.task: ts}}
	return len(encoded(func(buf []byte) []byte { return schema.AppendClient(buf, &a) }))
}

// Delete adds the removal of an allocation. Its tombstone is remembered, so that
// whoever waits for it learns of the deletion. An unknown ID is skipped and
// reported in Applied.Unknown.
func (b *Batch) Delete(id string) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		b.refuse("Delete", err)
		return
	}
	b.add(op{kind: opDelete, id: parsed}, len(parsed))
}

// refuse keeps the fault of the write that would have been next.
func (b *Batch) refuse(what string, err error) {
	b.errs = append(b.errs, fmt.Errorf("batch write %d, %s: %w", b.Len(), what, err))
}

// add takes o, whose encoding is size long.
func (b *Batch) add(o op, size int) {
	if size > b.largest {
		b.largest, b.which = size, len(b.ops)
	}
	b.size += size
	if o.job != nil && !b.countJob(o.job) {
		b.size -= len(o.jobBody)
	}
	b.ops = append(b.ops, o)
}

// countJob reports whether j is the first of its content in the batch.
func (b *Batch) countJob(j *job) bool {
	if b.jobsSeen[j.hash] != nil {
		return false
	}
	if b.jobsSeen == nil {
		b.jobsSeen = make(map[jobHash]*job)
	}
	b.jobsSeen[j.hash] = j
	return true
}

// check returns what is wrong with the batch under the limits of o.
func (b *Batch) check(o *Options) error {
	if len(b.errs) > 0 {
		return errors.Join(b.errs...)
	}
	if b.largest > o.MaxAllocationBytes {
		return fmt.Errorf("%w: batch write %d, allocation %v: %d bytes encoded, Options.MaxAllocationBytes is %d",
			ErrTooLarge, b.which, b.ops[b.which].id, b.largest, o.MaxAllocationBytes)
	}
	if b.size > o.MaxBatchBytes {
		return fmt.Errorf("%w: batch of %d writes: %d bytes encoded, Options.MaxBatchBytes is %d",
			ErrTooLarge, len(b.ops), b.size, o.MaxBatchBytes)
	}
	return nil
}
