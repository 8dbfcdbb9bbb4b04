package schema

import "time"

// AppendJob appends j to dst, with the same promise as AppendScheduler, so that
// equal jobs hash alike. Config holds what Validate accepts; a value that it
// refuses is written as nil.
func AppendJob(dst []byte, j *Job) []byte {
	if j == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.str(j.ID)
	t.str(j.Name)
	t.str(j.Type)
	t.str(j.Region)
	t.int(int64(j.Priority))
	t.put(appendStrings(t.dst, j.Datacenters), len(j.Datacenters) != 0)
	t.put(appendList(t.dst, j.TaskGroups, appendGroup), len(j.TaskGroups) != 0)
	t.put(appendList(t.dst, j.Constraints, appendConstraint), len(j.Constraints) != 0)
	t.put(appendUpdate(t.dst, j.Update), j.Update != nil)
	t.uint(j.CreateIndex)
	t.uint(j.ModifyIndex)
	t.put(appendStringMap(t.dst, j.Meta), len(j.Meta) != 0)
	t.str(j.Status)
	t.str(j.StatusDescription)
	t.bool(j.AllAtOnce)
	return t.close()
}

// DecodeJob returns the job in src, whose memory it aliases; nil if src holds
// the nil that AppendJob makes of a nil job.
func DecodeJob(src string) (*Job, error) {
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
	for i := range r.arrayLen() {
		switch i {
		case 0:
			j.ID = r.str()
		case 1:
			j.Name = r.str()
		case 2:
			j.Type = r.str()
		case 3:
			j.Region = r.str()
		case 4:
			j.Priority = r.int()
		case 5:
			j.Datacenters = r.strings()
		case 6:
			j.TaskGroups = readList(r, (*reader).group)
		case 7:
			j.Constraints = readList(r, (*reader).constraint)
		case 8:
			j.Update = r.update()
		case 9:
			j.CreateIndex = r.uint64()
		case 10:
			j.ModifyIndex = r.uint64()
		case 11:
			j.Meta = r.stringMap()
		case 12:
			j.Status = r.str()
		case 13:
			j.StatusDescription = r.str()
		case 14:
			j.AllAtOnce = r.bool()
		default:
			r.skip()
		}
	}
	return j
}

func appendUpdate(dst []byte, u *UpdateStrategy) []byte {
	if u == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.int(int64(u.MaxParallel))
	t.int(int64(u.Stagger))
	return t.close()
}

func (r *reader) update() *UpdateStrategy {
	if r.null() {
		return nil
	}
	u := new(UpdateStrategy)
	for i := range r.arrayLen() {
		switch i {
		case 0:
			u.MaxParallel = r.int()
		case 1:
			u.Stagger = time.Duration(r.int64())
		default:
			r.skip()
		}
	}
	return u
}

func appendGroup(dst []byte, g *TaskGroup) []byte {
	t := openTuple(dst)
	t.str(g.Name)
	t.int(int64(g.Count))
	t.put(appendList(t.dst, g.Tasks, appendTask), len(g.Tasks) != 0)
	t.put(appendRestartPolicy(t.dst, g.RestartPolicy), g.RestartPolicy != nil)
	t.put(appendList(t.dst, g.Constraints, appendConstraint), len(g.Constraints) != 0)
	t.put(appendStringMap(t.dst, g.Meta), len(g.Meta) != 0)
	return t.close()
}

func (r *reader) group(g *TaskGroup) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			g.Name = r.str()
		case 1:
			g.Count = r.int()
		case 2:
			g.Tasks = readList(r, (*reader).task)
		case 3:
			g.RestartPolicy = r.restartPolicy()
		case 4:
			g.Constraints = readList(r, (*reader).constraint)
		case 5:
			g.Meta = r.stringMap()
		default:
			r.skip()
		}
	}
}

func appendRestartPolicy(dst []byte, p *RestartPolicy) []byte {
	if p == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.int(int64(p.Attempts))
	t.int(int64(p.Interval))
	t.int(int64(p.Delay))
	return t.close()
}

func (r *reader) restartPolicy() *RestartPolicy {
	if r.null() {
		return nil
	}
	p := new(RestartPolicy)
	for i := range r.arrayLen() {
		switch i {
		case 0:
			p.Attempts = r.int()
		case 1:
			p.Interval = time.Duration(r.int64())
		case 2:
			p.Delay = time.Duration(r.int64())
		default:
			r.skip()
		}
	}
	return p
}

func appendConstraint(dst []byte, c *Constraint) []byte {
	t := openTuple(dst)
	t.str(c.LTarget)
	t.str(c.RTarget)
	t.str(c.Operand)
	return t.close()
}

func (r *reader) constraint(c *Constraint) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			c.LTarget = r.str()
		case 1:
			c.RTarget = r.str()
		case 2:
			c.Operand = r.str()
		default:
			r.skip()
		}
	}
}
