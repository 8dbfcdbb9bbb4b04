package schema

func appendJob(dst []byte, j *Job) []byte {
	dst, _ = appendJobExact(dst, j)
	return dst
}

// appendJobExact is appendJob. It reports whether the bytes have the whole job: if they do not,
// another job may have the same ones.
func appendJobExact(dst []byte, j *Job) (_ []byte, exact bool) {
	if j == nil {
		return appendNil(dst), true
	}
	c := appender(dst)
	j.fields(&c)
	return c.t.close(), !c.anyLost
}

// decodeJob returns the job in src, whose memory it shares.
func decodeJob(src string) (*Job, error) {
	r, j := reader{src: src}, (*Job)(nil)
	if !r.null() {
		j = new(Job)
		c := newCoder(&r)
		j.fields(&c)
		c.skipRest()
	}
	if err := r.end(); err != nil {
		return nil, named("job", err)
	}
	return j, nil
}

func (j *Job) fields(c *coder) {
	c.texts(&j.ID, &j.Name, &j.Type, &j.Region).ints(&j.Priority).textList(&j.Datacenters)
	list(c, &j.TaskGroups, nil, func(g *TaskGroup) { g.fields(c) }).constraints(&j.Constraints)
	pointer(c, &j.Update, nil, func(u *UpdateStrategy) { u.fields(c) })
	c.uints(&j.CreateIndex, &j.ModifyIndex).textMap(&j.Meta).texts(&j.Status, &j.StatusDescription).bools(&j.AllAtOnce)
	c.extra(&j.Extra)
}

func (g *TaskGroup) fields(c *coder) {
	c.texts(&g.Name).ints(&g.Count)
	list(c, &g.Tasks, nil, func(t *Task) { t.fields(c) })
	pointer(c, &g.RestartPolicy, nil, func(p *RestartPolicy) { p.fields(c) }).constraints(&g.Constraints)
	c.textMap(&g.Meta).extra(&g.Extra)
}

func (t *Task) fields(c *coder) {
	c.texts(&t.Name, &t.Driver).resources(&t.Resources).config(&t.Config)
	list(c, &t.Services, nil, func(s *Service) { s.fields(c) })
	c.textMap(&t.Env).textMap(&t.Meta).constraints(&t.Constraints).extra(&t.Extra).exactConfig(&t.Config)
}

func (s *Service) fields(c *coder) {
	c.texts(&s.Name, &s.PortLabel).textList(&s.Tags)
	list(c, &s.Checks, nil, func(k *ServiceCheck) { k.fields(c) }).texts(&s.Id).extra(&s.Extra)
}

func (s *ServiceCheck) fields(c *coder) {
	c.texts(&s.Name, &s.Type).int64s((*int64)(&s.Interval), (*int64)(&s.Timeout)).texts(&s.Protocol, &s.Http, &s.Script, &s.Id)
	c.extra(&s.Extra)
}

func (c *coder) constraints(f *[]Constraint) *coder {
	return list(c, f, nil, func(k *Constraint) { k.fields(c) })
}

func (k *Constraint) fields(c *coder) { c.texts(&k.LTarget, &k.RTarget, &k.Operand).extra(&k.Extra) }

func (u *UpdateStrategy) fields(c *coder) {
	c.ints(&u.MaxParallel).int64s((*int64)(&u.Stagger)).extra(&u.Extra)
}

func (p *RestartPolicy) fields(c *coder) {
	c.ints(&p.Attempts).int64s((*int64)(&p.Interval), (*int64)(&p.Delay)).extra(&p.Extra)
}
