package schema

import "encoding/json"

// Allocation is the placement of one task group of a job on one node: the decision of the
// scheduler, and the report of the client on that node.
//
// The client owns ClientStatus, ClientDescription, TaskStates and ClientExtra, with one
// exception: the scheduler may set ClientStatus to lost or unknown. The store sets the three indexes, and
// ignores them on input. The scheduler owns all other fields.
//
// The fields are in the order of the keys in the JSON of the documented endpoint.
type Allocation struct {
	ID          string // 8-4-4-4-12 hex digits, see ParseID
	EvalID      string // the evaluation that placed it; a free string
	Name        string // "<job>.<task group>[<n>]" by convention
	NodeID      string // a free string
	JobID       string // a free string
	ModifyIndex uint64 // index of the last write of any kind

	Resources     *Resources // the sum over all tasks
	TaskGroup     string
	Job           *Job // as it was when the allocation was placed
	TaskResources map[string]*Resources
	Metrics       *AllocMetric

	DesiredStatus      string // set by the scheduler: run, stop or evict
	DesiredDescription string
	ClientStatus       string // reported by the client: pending, running, complete, failed, lost or unknown
	ClientDescription  string
	TaskStates         map[string]*TaskState

	CreateIndex uint64 // index of the insert

	// Beyond the documented sample: present in JSON only when set.

	AllocModifyIndex   uint64 // index of the scheduler's last write
	PreviousAllocation string // the allocation that this one replaces
	NextAllocation     string // the allocation that replaces this one

	Extra       map[string]json.RawMessage // the scheduler's; any key but those of ClientExtra
	ClientExtra map[string]json.RawMessage // the client's; DeploymentStatus and NetworkStatus only
}

// Values of Allocation.DesiredStatus. The set is open: others are kept.
const (
	DesiredStatusRun   = "run"
	DesiredStatusStop  = "stop"
	DesiredStatusEvict = "evict"
)

// Values of Allocation.ClientStatus. The set is open: others are kept.
const (
	ClientStatusPending  = "pending"
	ClientStatusRunning  = "running"
	ClientStatusComplete = "complete"
	ClientStatusFailed   = "failed"
	ClientStatusLost     = "lost"
	ClientStatusUnknown  = "unknown"
)

// ServerTerminal reports whether the scheduler has stopped or evicted the allocation.
func (a *Allocation) ServerTerminal() bool {
	return a.DesiredStatus == DesiredStatusStop || a.DesiredStatus == DesiredStatusEvict
}

// ClientTerminal reports whether the allocation no longer runs on its node: it completed,
// failed, or its node is lost.
func (a *Allocation) ClientTerminal() bool {
	switch a.ClientStatus {
	case ClientStatusComplete, ClientStatusFailed, ClientStatusLost:
		return true
	}
	return false
}

// Terminal reports whether the allocation is terminal for the scheduler or for the client, so
// that its resources are free.
func (a *Allocation) Terminal() bool { return a.ServerTerminal() || a.ClientTerminal() }
