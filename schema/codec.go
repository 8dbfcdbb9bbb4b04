package schema

import (
	"strings"
	"sync/atomic"
)

// A Codec encodes allocations for storage, and decodes them. An allocation is stored as two
// parts, one for each owner, and its job, which many allocations share:
//
//   - The scheduler's part has every field except ID, Job, NextAllocation, the three
//     indexes, and the client's fields.
//   - The client's part has ClientStatus, ClientDescription and TaskStates.
//
// Equal content gives equal bytes: maps are in key order, and an empty list or map counts as
// nil. So content can be compared and hashed as it is stored.
//
// Decoding copies each string that it keeps, so src may be the memory of a file. Strings
// that many allocations have in common, such as node IDs and the names of scores, are
// interned: the Codec keeps one copy of each, in a table of fixed size. Encoding uses no
// state, so any Codec will do.
//
// The zero value is ready to use. All methods may be called from any goroutine. A Codec must
// not be copied after first use.
type Codec struct {
	table atomic.Pointer[internTable] // nil until a string is interned
}

// AppendScheduler appends the scheduler's part of a to dst.
func (c *Codec) AppendScheduler(dst []byte, a *Allocation) []byte { return appendScheduler(dst, a) }

// AppendClient appends the client's part of a to dst.
func (c *Codec) AppendClient(dst []byte, a *Allocation) []byte { return appendClient(dst, a) }

// AppendJob appends j to dst. A Config value that Validate refuses is written as nil.
func (c *Codec) AppendJob(dst []byte, j *Job) []byte { return appendJob(dst, j) }

// AppendValidJob appends j to dst, and returns the faults of j, as [Job.Validate] does. It does
// not look for faults if the bytes are equal to valid, which is a job that it has appended before.
func (c *Codec) AppendValidJob(dst []byte, j *Job, valid string) ([]byte, error) {
	start := len(dst)
	dst, exact := appendJobExact(dst, j)
	if exact && string(dst[start:]) == valid {
		return dst, nil
	}
	return dst, j.Validate()
}

// AppendAllocation appends all of a to dst, its job included.
func (c *Codec) AppendAllocation(dst []byte, a *Allocation) []byte { return appendAllocation(dst, a) }

// DecodeScheduler sets a.ID to id, and the fields of the scheduler's part to those in src. The
// names of the job, its groups and its tasks are taken from a.Job, if it has them. An error
// is ErrMalformed and leaves the fields in no particular state.
func (c *Codec) DecodeScheduler(src string, id ID, a *Allocation) error {
	r := reader{src: src, strings: ownStrings{codec: c, job: a.Job}}
	r.scheduler(a)
	text := id.text()
	var own strings.Builder // one block of memory for both
	own.Grow(idText + len(a.Name))
	own.Write(text[:])
	own.WriteString(a.Name)
	a.ID, a.Name = own.String()[:idText], own.String()[idText:]
	return named("scheduler's part", r.end())
}

// DecodeClient sets the fields of the client's part of a to those in src. The names of tasks
// are taken from a.Job, if it has them. Errors are as those of DecodeScheduler.
func (c *Codec) DecodeClient(src string, a *Allocation) error {
	r := reader{src: src, strings: ownStrings{codec: c, job: a.Job}}
	r.strings.findGroup(a.TaskGroup)
	r.client(a)
	return named("client's part", r.end())
}

// DecodeJob returns the job in src, or nil if a nil job was encoded. An error is ErrMalformed.
func (c *Codec) DecodeJob(src string) (*Job, error) { return decodeJob(strings.Clone(src)) }

// DecodeAllocation returns the allocation in src, with its job. An error is ErrMalformed.
func (c *Codec) DecodeAllocation(src string) (*Allocation, error) {
	return decodeAllocation(strings.Clone(src))
}

// A Placement has the fields of a scheduler's part by which allocations are found. Unlike decoded
// strings, they share the memory of the part.
type Placement struct{ EvalID, NodeID, JobID, DesiredStatus string }

// Placement returns the placement in a scheduler's part, without decoding the rest.
func (c *Codec) Placement(src string) (p Placement, err error) {
	r := reader{src: src}
	for i := range min(r.arrayLen(), 6) {
		switch text := r.str(); i {
		case 0:
			p.EvalID = text
		case 1:
			p.NodeID = text
		case 2:
			p.JobID = text
		case 5:
			p.DesiredStatus = text
		}
	}
	return p, named("placement", r.err)
}

// ClientStatus returns the ClientStatus in a client's part, whose memory it shares, without
// decoding the rest.
func (c *Codec) ClientStatus(src string) (status string, err error) {
	r := reader{src: src}
	if r.arrayLen() > 0 {
		status = r.str()
	}
	return status, named("client status", r.err)
}
