package schema

import "fmt"

// AppendScheduler appends to dst the part of a that the scheduler owns: every
// field except ID, Job, NextAllocation, the three indexes, and what the client
// owns. Equal content gives equal bytes: maps are in key order, and what is
// empty counts as nil.
func AppendScheduler(dst []byte, a *Allocation) []byte {
	t := openTuple(dst)
	t.str(a.EvalID)
	t.str(a.NodeID)
	t.str(a.JobID)
	t.str(a.Name)
	t.str(a.TaskGroup)
	t.str(a.DesiredStatus)
	t.put(appendResources(t.dst, a.Resources), a.Resources != nil)
	t.put(appendMap(t.dst, a.TaskResources, appendResources), len(a.TaskResources) != 0)
	t.put(appendMetric(t.dst, a.Metrics), a.Metrics != nil)
	t.str(a.DesiredDescription)
	t.str(a.PreviousAllocation)
	return t.close()
}

// DecodeScheduler sets the fields of a that AppendScheduler writes, and no
// others, to what src holds; their strings alias src. An error is ErrMalformed
// and leaves those fields in no particular state.
func DecodeScheduler(src string, a *Allocation) error {
	r := reader{src: src}
	r.scheduler(a)
	return named("scheduler's part", r.end())
}

func (r *reader) scheduler(a *Allocation) {
	a.EvalID, a.NodeID, a.JobID, a.Name, a.TaskGroup = "", "", "", "", ""
	a.DesiredStatus, a.DesiredDescription, a.PreviousAllocation = "", "", ""
	a.Resources, a.TaskResources, a.Metrics = nil, nil, nil
	n, node := r.arrayLen(), ""
	for i := range n {
		switch i {
		case 0:
			a.EvalID = r.shared()
		case 1:
			node = r.str()
		case 2:
			a.JobID = r.jobID()
		case 3:
			r.text(&a.Name)
		case 4:
			a.TaskGroup = r.taskGroup()
		case 5:
			r.word(&a.DesiredStatus)
		case 6:
			r.makeRoom(n - i)
			a.Resources = r.resources()
		case 7:
			a.TaskResources = r.taskResources()
		case 8:
			a.Metrics = r.metric()
		case 9:
			r.text(&a.DesiredDescription)
		case 10:
			r.text(&a.PreviousAllocation)
		default:
			r.skip()
		}
	}
	a.NodeID = r.nodeID(node)
}

// Placement returns the evaluation, the node and the job that the scheduler's
// part in src names, without decoding the rest. They alias src.
func Placement(src string) (eval, node, job string, err error) {
	r := reader{src: src}
	for i := range min(r.arrayLen(), 3) {
		switch i {
		case 0:
			eval = r.str()
		case 1:
			node = r.str()
		case 2:
			job = r.str()
		}
	}
	return eval, node, job, named("placement", r.err)
}

// AppendClient appends to dst the part of a that the client owns: ClientStatus,
// ClientDescription and TaskStates, with the same promise as AppendScheduler.
func AppendClient(dst []byte, a *Allocation) []byte {
	t := openTuple(dst)
	t.str(a.ClientStatus)
	t.str(a.ClientDescription)
	t.put(appendMap(t.dst, a.TaskStates, appendTaskState), len(a.TaskStates) != 0)
	return t.close()
}

// DecodeClient sets the fields of a that AppendClient writes, and no others, as
// DecodeScheduler does.
func DecodeClient(src string, a *Allocation) error {
	r := reader{src: src}
	r.client(a)
	return named("client's part", r.end())
}

func (r *reader) client(a *Allocation) {
	a.ClientStatus, a.ClientDescription, a.TaskStates = "", "", nil
	for i := range r.arrayLen() {
		switch i {
		case 0:
			r.word(&a.ClientStatus)
		case 1:
			r.text(&a.ClientDescription)
		case 2:
			a.TaskStates = r.taskStates()
		default:
			r.skip()
		}
	}
}

// AppendAllocation appends the whole of a to dst, its job included, with the
// same promise as AppendScheduler.
func AppendAllocation(dst []byte, a *Allocation) []byte {
	t := openTuple(dst)
	t.str(a.ID)
	t.uint(a.CreateIndex)
	t.uint(a.ModifyIndex)
	t.uint(a.AllocModifyIndex)
	t.str(a.NextAllocation)
	t.part(AppendScheduler(t.dst, a))
	t.part(AppendClient(t.dst, a))
	t.put(AppendJob(t.dst, a.Job), a.Job != nil)
	return t.close()
}

// DecodeAllocation returns the allocation in src, whose memory it aliases.
func DecodeAllocation(src string) (*Allocation, error) {
	r, a := reader{src: src}, new(Allocation)
	r.allocation(a)
	if err := r.end(); err != nil {
		return nil, named("allocation", err)
	}
	return a, nil
}

func (r *reader) allocation(a *Allocation) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			a.ID = r.str()
		case 1:
			a.CreateIndex = r.uint64()
		case 2:
			a.ModifyIndex = r.uint64()
		case 3:
			a.AllocModifyIndex = r.uint64()
		case 4:
			a.NextAllocation = r.str()
		case 5:
			r.scheduler(a)
		case 6:
			r.client(a)
		case 7:
			a.Job = r.job()
		default:
			r.skip()
		}
	}
}

// named says in err what it was that did not decode.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
