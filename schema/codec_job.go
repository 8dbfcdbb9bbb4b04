package schema

func appendJob(dst []byte, j *Job) []byte {
	c := appender(&dst)
	c.structs(&j)
	return dst
}

// decodeJob returns the job in src, whose memory it shares.
func decodeJob(src string) (j *Job, err error) {
	r := reader{src: src}
	c := coder{r: &r}
	c.structs(&j)
	if err := r.end(); err != nil {
		return nil, named("job", err)
	}
	return j, nil
}

func (j *Job) fields(c *coder) {
	c.tuple(&j.ID, &j.Name, &j.Type, &j.Region, &j.Priority, &j.Datacenters, &j.TaskGroups, &j.Constraints, &j.Update,
		&j.CreateIndex, &j.ModifyIndex, &j.Meta, &j.Status, &j.StatusDescription, &j.AllAtOnce)
}

func (g *TaskGroup) fields(c *coder) {
	c.tuple(&g.Name, &g.Count, &g.Tasks, &g.RestartPolicy, &g.Constraints, &g.Meta)
}

func (t *Task) fields(c *coder) {
	c.tuple(&t.Name, &t.Driver, &t.Resources, &t.Config, &t.Services, &t.Env, &t.Meta, &t.Constraints)
}

func (s *Service) fields(c *coder) { c.tuple(&s.Name, &s.PortLabel, &s.Tags, &s.Checks, &s.Id) }

func (s *ServiceCheck) fields(c *coder) {
	c.tuple(&s.Name, &s.Type, &s.Interval, &s.Timeout, &s.Protocol, &s.Http, &s.Script, &s.Id)
}

func (k *Constraint) fields(c *coder) { c.tuple(&k.LTarget, &k.RTarget, &k.Operand) }

func (u *UpdateStrategy) fields(c *coder) { c.tuple(&u.MaxParallel, &u.Stagger) }

func (p *RestartPolicy) fields(c *coder) { c.tuple(&p.Attempts, &p.Interval, &p.Delay) }
