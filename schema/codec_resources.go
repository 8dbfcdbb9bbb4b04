package schema

// total codes Allocation.Resources. Reading them allocates the slab.
func (c *coder) total(f **Resources) *coder {
	if c.r != nil && c.left > 0 && !c.r.nullNext() {
		c.r.spare = newSpare()
	}
	return c.resources(f)
}

func (c *coder) resources(f **Resources) *coder {
	return pointer(c, f, &c.spare().resources, func(r *Resources) { r.fields(c) })
}

// byTask codes the resources of each task.
func (c *coder) byTask(f *map[string]*Resources) *coder {
	return code(c, f, appendByTask, c.readByTask)
}

func (c *coder) readByTask() map[string]*Resources {
	return readMap(c.r, c.r.taskName, c.readResources)
}

func appendByTask(dst []byte, m map[string]*Resources) []byte {
	return appendMap(dst, m, func(dst []byte, r *Resources) []byte {
		if r == nil {
			return appendNil(dst)
		}
		c := appender(dst)
		r.fields(&c)
		return c.t.close()
	})
}

// readResources reads a pointer to resources.
func (c *coder) readResources() (r *Resources) {
	if c.r.null() {
		return nil
	}
	r = &carve(&c.r.spare.resources, 1)[:1][0]
	read(c, r, func(r *Resources) { r.fields(c) })
	return r
}

func (r *Resources) fields(c *coder) {
	c.ints(&r.CPU, &r.MemoryMB, &r.DiskMB, &r.IOPS)
	list(c, &r.Networks, &c.spare().networks, func(n *NetworkResource) { n.fields(c) }).extra(&r.Extra)
}

func (n *NetworkResource) fields(c *coder) {
	c.interned(&n.Device, &n.IP).texts(&n.CIDR).ints(&n.MBits)
	c.ports(&n.DynamicPorts).ports(&n.ReservedPorts).extra(&n.Extra)
}

func (c *coder) ports(f *[]Port) *coder {
	return list(c, f, &c.spare().ports, func(p *Port) { p.fields(c) })
}

func (p *Port) fields(c *coder) { c.interned(&p.Label).ints(&p.Value).extra(&p.Extra) }

func (c *coder) metric(f **AllocMetric) *coder {
	return pointer(c, f, &c.spare().metric, func(m *AllocMetric) { m.fields(c) })
}

func (m *AllocMetric) fields(c *coder) {
	c.int64s((*int64)(&m.AllocationTime)).ints(&m.NodesEvaluated).scores(&m.Scores)
	c.ints(&m.NodesFiltered, &m.NodesExhausted, &m.CoalescedFailures)
	c.counts(&m.ClassFiltered).counts(&m.ConstraintFiltered).counts(&m.ClassExhausted).counts(&m.DimensionExhausted)
	c.extra(&m.Extra)
}
