package batchcodec

import (
	"encoding/binary"
	"errors"
	"slices"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
)

// version is the version that Append writes, and the only one so far.
const version = 1

// A Batch is the content of a store.Batch.
type Batch struct {
	Ops             []plan.Op
	Faults          []error // of the writes that were refused
	Conditions      []plan.Condition
	ConditionFaults []error

	// Jobs has the jobs of the ops. Append does not look at it.
	//
	// Invariant: ops with equal jobs have the same pointer.
	Jobs map[record.JobHash]*plan.Job
}

// The kinds of writes and conditions in the bytes. They never change.
const (
	upsertWrite byte = iota + 1
	clientWrite
	eventWrite
	clientStatusWrite
	desiredStatusWrite
	deleteWrite
)

const (
	ofAllocation byte = iota
	ofNode
	ofJob
	ofEval
	ofPrefix
)

// kindsOfWrites and kindsOfLists are indexed by the kinds of the other packages.
var (
	kindsOfWrites = [...]byte{
		plan.Upsert: upsertWrite, plan.Client: clientWrite, plan.Event: eventWrite,
		plan.ClientStatus: clientStatusWrite, plan.DesiredStatus: desiredStatusWrite, plan.Delete: deleteWrite,
	}
	kindsOfLists = [...]byte{lists.ByNode: ofNode, lists.ByJob: ofJob, lists.ByEval: ofEval, lists.Everything: ofPrefix}
)

// The bits of a fault's kind.
const (
	invalidFault byte = 1 << iota
	invalidIDFault
)

var codec schema.Codec

// Append appends the bytes of b to dst.
func Append(dst []byte, b *Batch) []byte {
	jobs, numbers, size := number(b)
	dst = append(slices.Grow(dst, size), version)
	dst = appendNumber(dst, len(jobs))
	for _, j := range jobs {
		dst = appendText(dst, j.Body)
	}
	dst = appendNumber(dst, len(b.Conditions))
	for i := range b.Conditions {
		dst = appendCondition(dst, &b.Conditions[i])
	}
	dst = appendFaults(dst, b.ConditionFaults)
	dst = appendNumber(dst, len(b.Ops))
	for i := range b.Ops {
		dst = appendOp(dst, &b.Ops[i], numbers)
	}
	return appendFaults(dst, b.Faults)
}

// number returns the jobs of b in the order of first use, the number of each, and about how many bytes
// b takes.
func number(b *Batch) (jobs []*plan.Job, numbers map[*plan.Job]int, size int) {
	const each = 64 // of a condition, or a write without its parts
	size = each * (1 + len(b.Conditions))
	var last *plan.Job
	for i := range b.Ops {
		o := &b.Ops[i]
		size += each + len(o.Sched.Body) + len(o.Client.Body)
		if o.Job == nil || o.Job == last || numbers[o.Job] != 0 {
			continue
		}
		if numbers == nil {
			numbers = make(map[*plan.Job]int)
		}
		last, jobs = o.Job, append(jobs, o.Job)
		numbers[o.Job] = len(jobs)
		size += each + len(o.Job.Body)
	}
	return jobs, numbers, size
}

func appendNumber(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)) }

func appendText(dst []byte, text string) []byte { return append(appendNumber(dst, len(text)), text...) }

func appendCondition(dst []byte, c *plan.Condition) []byte {
	if c.OfList {
		dst = append(dst, kindsOfLists[c.List.Name.Kind], byte(c.List.Variant))
		dst = appendText(dst, c.List.Name.Text+c.List.Prefix) // one of them is empty
	} else {
		dst = append(append(dst, ofAllocation), c.ID[:]...)
	}
	return binary.BigEndian.AppendUint64(dst, c.Index)
}

func appendFaults(dst []byte, faults []error) []byte {
	dst = appendNumber(dst, len(faults))
	for _, err := range faults {
		var kind byte
		if errors.Is(err, schema.ErrInvalid) {
			kind |= invalidFault
		}
		if errors.Is(err, schema.ErrInvalidID) {
			kind |= invalidIDFault
		}
		dst = appendText(append(dst, kind), err.Error())
	}
	return dst
}

func appendOp(dst []byte, o *plan.Op, numbers map[*plan.Job]int) []byte {
	dst = append(append(dst, kindsOfWrites[o.Kind]), o.ID[:]...)
	switch o.Kind {
	case plan.Upsert:
		dst = appendNumber(dst, numbers[o.Job])
		if o.Next.Set {
			dst = append(append(dst, 1), o.Next.ID[:]...)
		} else {
			dst = append(dst, 0)
		}
		dst = appendText(appendText(dst, o.Sched.Body), o.Client.Body)
	case plan.Client:
		dst = appendText(dst, o.Client.Body)
	case plan.Event:
		dst = appendEvent(dst, o.Event)
	case plan.ClientStatus, plan.DesiredStatus:
		dst = appendText(appendText(dst, o.Status.Status), o.Status.Description)
	}
	return dst
}

// appendEvent appends the client's part of an allocation that has the event alone.
func appendEvent(dst []byte, te *plan.TaskEvent) []byte {
	ts := schema.TaskState{State: te.State}
	ts.Events.Append(te.Event)
	a := schema.Allocation{TaskStates: map[string]*schema.TaskState{te.Task: &ts}}
	var room [256]byte
	return appendText(dst, string(codec.AppendClient(room[:0], &a)))
}
