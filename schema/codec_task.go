package schema

import "time"

func appendTask(dst []byte, task *Task) []byte {
	t := openTuple(dst)
	t.str(task.Name)
	t.str(task.Driver)
	t.put(appendResources(t.dst, task.Resources), task.Resources != nil)
	t.put(appendConfig(t.dst, task.Config), len(task.Config) != 0)
	t.put(appendList(t.dst, task.Services, appendService), len(task.Services) != 0)
	t.put(appendStringMap(t.dst, task.Env), len(task.Env) != 0)
	t.put(appendStringMap(t.dst, task.Meta), len(task.Meta) != 0)
	t.put(appendList(t.dst, task.Constraints, appendConstraint), len(task.Constraints) != 0)
	return t.close()
}

func (r *reader) task(task *Task) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			task.Name = r.str()
		case 1:
			task.Driver = r.str()
		case 2:
			task.Resources = r.resources()
		case 3:
			task.Config = r.config()
		case 4:
			task.Services = readList(r, (*reader).service)
		case 5:
			task.Env = r.stringMap()
		case 6:
			task.Meta = r.stringMap()
		case 7:
			task.Constraints = readList(r, (*reader).constraint)
		default:
			r.skip()
		}
	}
}

func appendService(dst []byte, s *Service) []byte {
	t := openTuple(dst)
	t.str(s.Name)
	t.str(s.PortLabel)
	t.put(appendStrings(t.dst, s.Tags), len(s.Tags) != 0)
	t.put(appendList(t.dst, s.Checks, appendCheck), len(s.Checks) != 0)
	t.str(s.Id)
	return t.close()
}

func (r *reader) service(s *Service) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			s.Name = r.str()
		case 1:
			s.PortLabel = r.str()
		case 2:
			s.Tags = r.strings()
		case 3:
			s.Checks = readList(r, (*reader).check)
		case 4:
			s.Id = r.str()
		default:
			r.skip()
		}
	}
}

func appendCheck(dst []byte, c *ServiceCheck) []byte {
	t := openTuple(dst)
	t.str(c.Name)
	t.str(c.Type)
	t.int(int64(c.Interval))
	t.int(int64(c.Timeout))
	t.str(c.Protocol)
	t.str(c.Http)
	t.str(c.Script)
	t.str(c.Id)
	return t.close()
}

func (r *reader) check(c *ServiceCheck) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			c.Name = r.str()
		case 1:
			c.Type = r.str()
		case 2:
			c.Interval = time.Duration(r.int64())
		case 3:
			c.Timeout = time.Duration(r.int64())
		case 4:
			c.Protocol = r.str()
		case 5:
			c.Http = r.str()
		case 6:
			c.Script = r.str()
		case 7:
			c.Id = r.str()
		default:
			r.skip()
		}
	}
}

func appendTaskState(dst []byte, s *TaskState) []byte {
	if s == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.str(s.State)
	t.bool(s.Failed)
	t.uint(s.Restarts)
	t.int(int64(s.LastRestart))
	t.int(int64(s.StartedAt))
	t.int(int64(s.FinishedAt))
	t.uint(s.Events.dropped)
	t.put(appendEvents(t.dst, s.Events), s.Events.n != 0)
	return t.close()
}

func (r *reader) taskState() *TaskState {
	if r.null() {
		return nil
	}
	s := new(TaskState)
	for i := range r.arrayLen() {
		switch i {
		case 0:
			r.word(&s.State)
		case 1:
			s.Failed = r.bool()
		case 2:
			s.Restarts = r.uint64()
		case 3:
			s.LastRestart = UnixNano(r.int64())
		case 4:
			s.StartedAt = UnixNano(r.int64())
		case 5:
			s.FinishedAt = UnixNano(r.int64())
		case 6:
			s.Events.dropped = r.uint64()
		case 7:
			s.Events = r.events(s.Events.dropped)
			r.keep(&s.Events.packed, s.Events.packed)
		default:
			r.skip()
		}
	}
	return s
}

func (r *reader) taskStates() map[string]*TaskState {
	n := r.mapLen()
	m := newMap[*TaskState](n)
	for range n {
		at := r.off
		key := r.taskName()
		put(r, m, at, key, r.taskState())
	}
	return m
}
