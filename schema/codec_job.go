package schema

func appendJob(dst []byte, j *Job) []byte {
	if j == nil {
		return appendNil(dst)
	}
	t := tuple{dst: dst}
	j.fields(&coder{t: &t})
	return t.dst
}

// decodeJob returns the job in src, whose memory it shares.
func decodeJob(src string) (*Job, error) {
	r := reader{src: src}
	j := r.job()
	if err := r.end(); err != nil {
		return nil, named("job", err)
	}
	return j, nil
}

func (r *reader) job() *Job {
	if r.null() {
		return nil
	}
	j := new(Job)
	j.fields(&coder{r: r})
	return j
}

func (j *Job) fields(c *coder) {
	outer := c.open()
	c.text(&j.ID)
	c.text(&j.Name)
	c.text(&j.Type)
	c.text(&j.Region)
	c.int(&j.Priority)
	c.texts(&j.Datacenters)
	for i := range list(c, &j.TaskGroups) {
		at(&j.TaskGroups, i).fields(c)
	}
	c.constraints(&j.Constraints)
	if present(c, &j.Update) {
		j.Update.fields(c)
	}
	c.uint(&j.CreateIndex)
	c.uint(&j.ModifyIndex)
	c.textMap(&j.Meta)
	c.text(&j.Status)
	c.text(&j.StatusDescription)
	c.bool(&j.AllAtOnce)
	c.close(outer)
}

func (u *UpdateStrategy) fields(c *coder) {
	outer := c.open()
	c.int(&u.MaxParallel)
	c.duration(&u.Stagger)
	c.close(outer)
}

func (g *TaskGroup) fields(c *coder) {
	outer := c.open()
	c.text(&g.Name)
	c.int(&g.Count)
	for i := range list(c, &g.Tasks) {
		at(&g.Tasks, i).fields(c)
	}
	if present(c, &g.RestartPolicy) {
		g.RestartPolicy.fields(c)
	}
	c.constraints(&g.Constraints)
	c.textMap(&g.Meta)
	c.close(outer)
}

func (p *RestartPolicy) fields(c *coder) {
	outer := c.open()
	c.int(&p.Attempts)
	c.duration(&p.Interval)
	c.duration(&p.Delay)
	c.close(outer)
}

func (t *Task) fields(c *coder) {
	outer := c.open()
	c.text(&t.Name)
	c.text(&t.Driver)
	c.resources(&t.Resources)
	c.config(&t.Config)
	for i := range list(c, &t.Services) {
		at(&t.Services, i).fields(c)
	}
	c.textMap(&t.Env)
	c.textMap(&t.Meta)
	c.constraints(&t.Constraints)
	c.close(outer)
}

func (c *coder) config(v *map[string]any) {
	if c.r == nil {
		c.t.field(appendConfig(c.t.dst, *v), len(*v) != 0)
	} else if c.next() {
		*v = c.r.config()
	}
}

func (s *Service) fields(c *coder) {
	outer := c.open()
	c.text(&s.Name)
	c.text(&s.PortLabel)
	c.texts(&s.Tags)
	for i := range list(c, &s.Checks) {
		at(&s.Checks, i).fields(c)
	}
	c.text(&s.Id)
	c.close(outer)
}

func (s *ServiceCheck) fields(c *coder) {
	outer := c.open()
	c.text(&s.Name)
	c.text(&s.Type)
	c.duration(&s.Interval)
	c.duration(&s.Timeout)
	c.text(&s.Protocol)
	c.text(&s.Http)
	c.text(&s.Script)
	c.text(&s.Id)
	c.close(outer)
}

func (c *coder) constraints(v *[]Constraint) {
	for i := range list(c, v) {
		at(v, i).fields(c)
	}
}

func (k *Constraint) fields(c *coder) {
	outer := c.open()
	c.text(&k.LTarget)
	c.text(&k.RTarget)
	c.text(&k.Operand)
	c.close(outer)
}
