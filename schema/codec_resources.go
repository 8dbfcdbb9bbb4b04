package schema

// total is the type of Allocation.Resources. Reading them allocates the slab.
type total *Resources

func (r *Resources) fields(c *coder) { c.tuple(&r.CPU, &r.MemoryMB, &r.DiskMB, &r.IOPS, &r.Networks) }

func (n *NetworkResource) fields(c *coder) {
	c.tuple((*interned)(&n.Device), (*interned)(&n.IP), &n.CIDR, &n.MBits, &n.DynamicPorts, &n.ReservedPorts)
}

func (p *Port) fields(c *coder) { c.tuple((*interned)(&p.Label), &p.Value) }

func (m *AllocMetric) fields(c *coder) {
	c.tuple(&m.AllocationTime, &m.NodesEvaluated, &m.Scores, &m.NodesFiltered, &m.NodesExhausted, &m.CoalescedFailures,
		&m.ClassFiltered, &m.ConstraintFiltered, &m.ClassExhausted, &m.DimensionExhausted)
}

func appendResources(dst []byte, r *Resources) []byte {
	c := appender(&dst)
	c.structs(&r)
	return dst
}

// resources reads a pointer to resources.
func (c *coder) resources() (r *Resources) {
	c.structs(&r)
	return r
}
