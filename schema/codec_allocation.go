package schema

// A part is a tuple that is a field of the whole allocation.
type (
	schedulerPart Allocation
	clientPart    Allocation
)

func (a *Allocation) fields(c *coder) {
	c.tuple(&a.ID, &a.CreateIndex, &a.ModifyIndex, &a.AllocModifyIndex, &a.NextAllocation,
		(*schedulerPart)(a), (*clientPart)(a), &a.Job)
}

// fields codes the scheduler's part. When reading, it leaves the aliases in the memory that
// is read.
func (a *schedulerPart) fields(c *coder) {
	c.tuple((*interned)(&a.EvalID), (*alias)(&a.NodeID), (*alias)(&a.JobID), (*alias)(&a.Name),
		(*taskGroup)(&a.TaskGroup), (*alias)(&a.DesiredStatus), (*total)(&a.Resources), &a.TaskResources,
		&a.Metrics, (*interned)(&a.DesiredDescription), &a.PreviousAllocation)
}

func appendScheduler(dst []byte, a *Allocation) []byte {
	c := appender(&dst)
	(*schedulerPart)(a).fields(&c)
	return dst
}

func (r *reader) scheduler(a *Allocation) {
	a.EvalID, a.NodeID, a.JobID, a.Name, a.TaskGroup = "", "", "", "", ""
	a.DesiredStatus, a.DesiredDescription, a.PreviousAllocation = "", "", ""
	a.Resources, a.TaskResources, a.Metrics = nil, nil, nil
	(*schedulerPart)(a).fields(&coder{r: r})
	a.NodeID, a.JobID, a.DesiredStatus = r.nodeID(a.NodeID), r.jobID(a.JobID), r.status(a.DesiredStatus)
}

func appendAllocation(dst []byte, a *Allocation) []byte {
	c := appender(&dst)
	a.fields(&c)
	return dst
}

// decodeAllocation returns the allocation in src, whose memory it shares.
func decodeAllocation(src string) (*Allocation, error) {
	r, a := reader{src: src}, new(Allocation)
	a.fields(&coder{r: &r})
	if err := r.end(); err != nil {
		return nil, named("allocation", err)
	}
	return a, nil
}
