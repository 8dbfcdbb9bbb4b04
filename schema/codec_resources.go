package schema

func (c *coder) resources(v **Resources) {
	if c.r == nil {
		c.t.field(appendResources(c.t.dst, *v), *v != nil)
	} else if c.next() {
		*v = c.r.resources()
	}
}

func appendResources(dst []byte, res *Resources) []byte {
	if res == nil {
		return appendNil(dst)
	}
	t := tuple{dst: dst}
	res.fields(&coder{t: &t})
	return t.dst
}

func (r *reader) resources() *Resources {
	if r.null() {
		return nil
	}
	res := &carve(&r.spare.resources, 1)[:1][0]
	res.fields(&coder{r: r})
	return res
}

func (r *Resources) fields(c *coder) {
	outer := c.open()
	c.int(&r.CPU)
	c.int(&r.MemoryMB)
	c.int(&r.DiskMB)
	c.int(&r.IOPS)
	for i := range c.networks(&r.Networks) {
		at(&r.Networks, i).fields(c)
	}
	c.close(outer)
}

// networks codes the length of a list of networks, which are in the slab when reading.
func (c *coder) networks(v *[]NetworkResource) int {
	n := c.length(len(*v))
	if c.r != nil && n > 0 {
		*v = carve(&c.r.spare.networks, n)
	}
	return n
}

func (n *NetworkResource) fields(c *coder) {
	outer := c.open()
	c.interned(&n.Device)
	c.interned(&n.IP)
	c.text(&n.CIDR)
	c.int(&n.MBits)
	c.ports(&n.DynamicPorts)
	c.ports(&n.ReservedPorts)
	c.close(outer)
}

// ports codes a list of ports, which are in the slab when reading.
func (c *coder) ports(v *[]Port) {
	n := c.length(len(*v))
	if c.r != nil && n > 0 {
		*v = carve(&c.r.spare.ports, n)
	}
	for i := range n {
		at(v, i).fields(c)
	}
}

func (p *Port) fields(c *coder) {
	outer := c.open()
	c.interned(&p.Label)
	c.int(&p.Value)
	c.close(outer)
}

func (c *coder) taskResources(v *map[string]*Resources) {
	if c.r == nil {
		c.t.field(appendMap(c.t.dst, *v, appendResources), len(*v) != 0)
	} else if c.next() {
		*v = c.r.taskResources()
	}
}

func (r *reader) taskResources() map[string]*Resources {
	n := r.mapLen()
	m := newMap[*Resources](n)
	for range n {
		at := r.off
		key := r.taskName()
		insert(r, m, at, key, r.resources())
	}
	return m
}

func (c *coder) metric(v **AllocMetric) {
	switch {
	case c.r == nil:
		if c.presence(*v != nil) {
			(*v).fields(c)
		}
	case c.next() && !c.r.null():
		*v = &carve(&c.r.spare.metric, 1)[:1][0]
		(*v).fields(c)
	}
}

func (m *AllocMetric) fields(c *coder) {
	outer := c.open()
	c.duration(&m.AllocationTime)
	c.int(&m.NodesEvaluated)
	c.scores(&m.Scores)
	c.int(&m.NodesFiltered)
	c.int(&m.NodesExhausted)
	c.int(&m.CoalescedFailures)
	c.counts(&m.ClassFiltered)
	c.counts(&m.ConstraintFiltered)
	c.counts(&m.ClassExhausted)
	c.counts(&m.DimensionExhausted)
	c.close(outer)
}

func (c *coder) scores(v *map[string]float64) {
	if c.r == nil {
		c.t.field(appendMap(c.t.dst, *v, appendFloat), len(*v) != 0)
	} else if c.next() {
		*v = c.r.scores()
	}
}

func (r *reader) scores() map[string]float64 {
	n := r.mapLen()
	m := newMap[float64](n)
	for range n {
		at := r.off
		key := r.scoreName()
		insert(r, m, at, key, r.float())
	}
	return m
}

func (c *coder) counts(v *map[string]int) {
	if c.r == nil {
		c.t.field(appendMap(c.t.dst, *v, appendCount), len(*v) != 0)
	} else if c.next() {
		*v = c.r.counts()
	}
}

func appendCount(dst []byte, n int) []byte { return appendInt(dst, int64(n)) }

func (r *reader) counts() map[string]int {
	n := r.mapLen()
	m := newMap[int](n)
	for range n {
		at := r.off
		key := r.interned()
		insert(r, m, at, key, r.int())
	}
	return m
}
