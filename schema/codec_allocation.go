package schema

func (a *Allocation) fields(c *coder) {
	c.texts(&a.ID).uints(&a.CreateIndex, &a.ModifyIndex, &a.AllocModifyIndex).texts(&a.NextAllocation)
	c.parts(a)
	pointer(c, &a.Job, nil, func(j *Job) { j.fields(c) })
}

// parts codes the scheduler's and the client's part, which are tuples too.
func (c *coder) parts(a *Allocation) {
	if c.r == nil {
		for _, appendPart := range [...]func([]byte, *Allocation) []byte{appendScheduler, appendClient} {
			at := len(c.t.dst)
			dst := appendPart(c.t.dst, a)
			c.t.field(dst, len(dst) != at+1)
		}
		return
	}
	if c.next() {
		c.r.scheduler(a)
	}
	if c.next() {
		c.r.client(a)
	}
}

// schedulerFields codes the scheduler's part. When reading, it leaves the aliases in the memory
// that is read.
func (a *Allocation) schedulerFields(c *coder) {
	c.interned(&a.EvalID).aliases(&a.NodeID, &a.JobID, &a.Name).group(&a.TaskGroup).aliases(&a.DesiredStatus)
	c.total(&a.Resources).byTask(&a.TaskResources).metric(&a.Metrics)
	c.interned(&a.DesiredDescription).texts(&a.PreviousAllocation).extra(&a.Extra)
}

func appendScheduler(dst []byte, a *Allocation) []byte {
	c := appender(dst)
	a.schedulerFields(&c)
	return c.t.close()
}

func (r *reader) scheduler(a *Allocation) {
	a.EvalID, a.NodeID, a.JobID, a.Name, a.TaskGroup = "", "", "", "", ""
	a.DesiredStatus, a.DesiredDescription, a.PreviousAllocation = "", "", ""
	a.Resources, a.TaskResources, a.Metrics, a.Extra = nil, nil, nil, nil
	c := newCoder(r)
	a.schedulerFields(&c)
	c.skipRest()
	a.NodeID, a.JobID, a.DesiredStatus = r.nodeID(a.NodeID), r.jobID(a.JobID), r.status(a.DesiredStatus)
}

func appendAllocation(dst []byte, a *Allocation) []byte {
	c := appender(dst)
	a.fields(&c)
	return c.t.close()
}

// decodeAllocation returns the allocation in src, whose memory it shares.
func decodeAllocation(src string) (*Allocation, error) {
	r, a := reader{src: src}, new(Allocation)
	c := newCoder(&r)
	a.fields(&c)
	c.skipRest()
	if err := r.end(); err != nil {
		return nil, named("allocation", err)
	}
	return a, nil
}
