package plan

import (
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/record"
)

// A Kind is the kind of an Op.
type Kind uint8

// Kinds of writes.
const (
	Upsert        Kind = iota // the scheduler's fields; places an unknown ID
	Client                    // the client's fields
	Event                     // one task event
	ClientStatus              // ClientStatus and ClientDescription
	DesiredStatus             // DesiredStatus and DesiredDescription
	Delete
)

// An Op is one write of a batch, checked and encoded. The plan does not change it, and uses it until
// Reset at the longest: its strings may alias memory that the batch uses again.
type Op struct {
	Kind Kind
	ID   schema.ID

	Sched, Client  Part       // Upsert has both, Client the client's
	Job            *Job       // Upsert: nil keeps the stored one
	Report         string     // Upsert: the ClientStatus, if it is one that the scheduler may set
	Previous, Next OptionalID // Upsert: PreviousAllocation, NextAllocation
	Empty          Fields     // Upsert
	Event          *TaskEvent // Event
	Status         *Status    // ClientStatus, DesiredStatus
}

// Size returns the bytes of the write as Options count them, an event aside. Every write with a job
// counts all of it.
func (o *Op) Size() int {
	size := len(o.Sched.Body) + len(o.Client.Body)
	switch o.Kind {
	case Upsert:
		if o.Job != nil {
			size += len(o.Job.Body)
		}
	case ClientStatus, DesiredStatus:
		size += len(o.ID) + o.Status.Len()
	case Delete:
		size += len(o.ID)
	}
	return size
}

// Report returns an Upsert's Report: the ClientStatus of its allocation, or "" if the scheduler may
// not set that.
func Report(status string) string {
	if status == schema.ClientStatusLost || status == schema.ClientStatusUnknown {
		return status
	}
	return ""
}

// A Part is the scheduler's or the client's half of an allocation, encoded. In a draft an empty Body
// stands for the stored part.
type Part struct {
	Body     string
	sum      uint32
	terminal lists.TerminalFlags // of its status
}

// SchedulerPart returns the scheduler's part with that body, in which DesiredStatus is status.
func SchedulerPart(body, status string) Part {
	return Part{Body: body, sum: record.PartSum(body), terminal: lists.TerminalOf(status, "")}
}

// ClientPart returns the client's part with that body, in which ClientStatus is status.
func ClientPart(body, status string) Part {
	return Part{Body: body, sum: record.PartSum(body), terminal: lists.TerminalOf("", status)}
}

// A Job is an encoded job on its way into the store.
type Job struct {
	Hash record.JobHash
	Body string
}

// A TaskEvent is an event of a task, and the task's state after it; "" leaves the state.
type TaskEvent struct {
	Task, State string
	Event       schema.TaskEvent
}

// A Status is the status that a client or the scheduler sets, and its description.
type Status struct{ Status, Description string }

// Len returns the bytes of both.
func (s Status) Len() int { return len(s.Status) + len(s.Description) }

// An OptionalID is the ID of another allocation, if it is set.
type OptionalID struct {
	ID  schema.ID
	Set bool
}

// ParseOptional parses an ID. "" is an ID that is not set.
func ParseOptional(s string) (OptionalID, error) {
	if s == "" {
		return OptionalID{}, nil
	}
	id, err := schema.ParseID(s)
	return OptionalID{id, err == nil}, err
}

// String returns the ID's canonical text, or "" if it is not set.
func (o OptionalID) String() string {
	if !o.Set {
		return ""
	}
	return o.ID.String()
}

// Fields is a set of required fields: bit i for the i-th of them.
type Fields uint8

// required are the fields that an update cannot empty.
var required = [...]string{"NodeID", "JobID", "TaskGroup"}

// requiredValues returns the values of the required fields.
func requiredValues(a *schema.Allocation) [len(required)]string {
	return [...]string{a.NodeID, a.JobID, a.TaskGroup}
}

// EmptyFields returns the required fields that are empty in a.
func EmptyFields(a *schema.Allocation) (empty Fields) {
	for i, value := range requiredValues(a) {
		if value == "" {
			empty |= 1 << i
		}
	}
	return empty
}
