package schema

func appendScheduler(dst []byte, a *Allocation) []byte {
	t := tuple{dst: dst}
	a.schedulerFields(&coder{t: &t})
	return t.dst
}

func (r *reader) scheduler(a *Allocation) {
	a.EvalID, a.NodeID, a.JobID, a.Name, a.TaskGroup = "", "", "", "", ""
	a.DesiredStatus, a.DesiredDescription, a.PreviousAllocation = "", "", ""
	a.Resources, a.TaskResources, a.Metrics = nil, nil, nil
	a.schedulerFields(&coder{r: r})
	a.NodeID = r.nodeID(a.NodeID)
}

// schedulerFields codes the scheduler's part. When reading, it leaves the node's ID and the
// name in the memory that is read.
func (a *Allocation) schedulerFields(c *coder) {
	outer := c.open()
	c.interned(&a.EvalID)
	c.alias(&a.NodeID)
	c.jobID(&a.JobID)
	c.alias(&a.Name)
	c.taskGroup(&a.TaskGroup)
	c.status(&a.DesiredStatus)
	c.makeSlab()
	c.resources(&a.Resources)
	c.taskResources(&a.TaskResources)
	c.metric(&a.Metrics)
	c.text(&a.DesiredDescription)
	c.text(&a.PreviousAllocation)
	c.close(outer)
}

// alias codes a string that is not copied when it is read.
func (c *coder) alias(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.str()
	}
}

func (c *coder) jobID(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.jobID()
	}
}

func (c *coder) taskGroup(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.taskGroup()
	}
}

func (c *coder) status(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.status()
	}
}

// makeSlab allocates a slab if the allocation has resources, which are the next field.
func (c *coder) makeSlab() {
	if r := c.r; r != nil && c.left > 0 && r.off < len(r.src) && r.src[r.off] != codeNil {
		r.spare = newSpare()
	}
}

func appendAllocation(dst []byte, a *Allocation) []byte {
	t := openTuple(dst)
	t.str(a.ID)
	t.uint(a.CreateIndex)
	t.uint(a.ModifyIndex)
	t.uint(a.AllocModifyIndex)
	t.str(a.NextAllocation)
	t.part(appendScheduler(t.dst, a))
	t.part(appendClient(t.dst, a))
	t.field(appendJob(t.dst, a.Job), a.Job != nil)
	return t.close()
}

// decodeAllocation returns the allocation in src, whose memory it shares.
func decodeAllocation(src string) (*Allocation, error) {
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
