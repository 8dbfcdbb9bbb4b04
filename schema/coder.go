package schema

import "time"

// A coder appends structs as tuples, or reads them. Each struct names its fields once, in the
// order of its tuple, in a method that serves both:
//
//	func (p *Port) fields(c *coder) { c.tuple((*interned)(&p.Label), &p.Value) }
//
// A field is given as a pointer. Its type selects the way to code it, in tuple, append, read and
// structs. When reading, a field that is missing in the tuple keeps its value, and a field that
// only a newer writer knows is skipped.
//
// A coder, its reader and the lists of fields stay off the heap, because they are passed to
// known functions only. Closures get the coder by capture, and dst is a pointer because the
// bytes do escape.
type coder struct {
	r   *reader
	dst *[]byte // nil when reading
}

// noReader is the reader of coders that append. It is never written.
var noReader reader

func appender(dst *[]byte) coder { return coder{r: &noReader, dst: dst} }

// The types of string fields that are not copied for their allocation alone.
type (
	interned  string // many allocations have it in common
	taskGroup string // equal to the name of a group in the job, if that is known
	alias     string // left in the memory that is read
)

// tuple codes the fields of a struct.
func (c *coder) tuple(fields ...any) {
	if c.dst == nil {
		for i := range c.r.arrayLen() {
			if i < len(fields) {
				c.read(fields[i])
			} else {
				c.r.skip()
			}
		}
		return
	}
	t := openTuple(*c.dst)
	for _, field := range fields {
		if v, ok := field.(*string); ok { // the most common type
			t.str(*v)
		} else if v, ok := field.(*int); ok {
			t.int(int64(*v))
		} else {
			t.field(c.append(t.dst, field))
		}
	}
	*c.dst = t.close()
}

// append appends a field to dst. It reports whether the field is set.
func (c *coder) append(dst []byte, field any) (_ []byte, set bool) {
	at := len(dst)
	switch v := field.(type) {
	case *interned:
		dst = appendString(dst, string(*v))
	case *taskGroup:
		dst = appendString(dst, string(*v))
	case *alias:
		dst = appendString(dst, string(*v))
	case *time.Duration:
		dst = appendInt(dst, int64(*v))
	case *uint64:
		dst = appendUint(dst, *v)
	case *bool:
		dst = appendBool(dst, *v)
	case *[]string:
		dst = appendStrings(dst, *v)
	case *map[string]string:
		dst = appendMap(dst, *v, appendString)
	case *map[string]int:
		dst = appendMap(dst, *v, func(dst []byte, n int) []byte { return appendInt(dst, int64(n)) })
	case *map[string]float64:
		dst = appendMap(dst, *v, appendFloat)
	case *map[string]any:
		dst = appendConfig(dst, *v)
	case *map[string]*Resources:
		dst = appendMap(dst, *v, appendResources)
	case *schedulerPart:
		dst = appendScheduler(dst, (*Allocation)(v))
		return dst, len(dst) != at+1
	case *clientPart:
		dst = appendClient(dst, (*Allocation)(v))
		return dst, len(dst) != at+1
	default:
		*c.dst = dst
		c.structs(field)
		dst = *c.dst
	}
	return dst, len(dst) != at+1 || !zeroCode(dst[at])
}

// read reads a field.
func (c *coder) read(field any) {
	switch v := field.(type) {
	case *string:
		*v = c.r.text()
	case *interned:
		*v = interned(c.r.interned())
	case *taskGroup:
		*v = taskGroup(c.r.taskGroup())
	case *alias:
		*v = alias(c.r.str())
	case *int:
		*v = c.r.int()
	case *time.Duration:
		*v = time.Duration(c.r.int64())
	case *uint64:
		*v = c.r.uint64()
	case *bool:
		*v = c.r.bool()
	case *[]string:
		*v = c.r.stringList()
	case *map[string]string:
		*v = c.r.stringMap()
	case *map[string]int:
		*v = readMap(c.r, c.r.interned, c.r.int)
	case *map[string]float64:
		*v = readMap(c.r, c.r.scoreName, c.r.float)
	case *map[string]any:
		*v = c.r.config()
	case *map[string]*Resources:
		*v = readMap(c.r, c.r.taskName, c.resources)
	case *schedulerPart:
		c.r.scheduler((*Allocation)(v))
	case *clientPart:
		c.r.client((*Allocation)(v))
	default:
		c.structs(field)
	}
}

// structs codes a field that has structs in it.
func (c *coder) structs(field any) {
	switch v := field.(type) {
	case *total:
		if c.dst == nil && !c.r.nullNext() {
			c.r.spare = newSpare()
		}
		c.structs((**Resources)(v))
	case **Resources:
		pointer(c, v, &c.r.spare.resources, func(r *Resources) { r.fields(c) })
	case **AllocMetric:
		pointer(c, v, &c.r.spare.metric, func(m *AllocMetric) { m.fields(c) })
	case **UpdateStrategy:
		pointer(c, v, nil, func(u *UpdateStrategy) { u.fields(c) })
	case **RestartPolicy:
		pointer(c, v, nil, func(p *RestartPolicy) { p.fields(c) })
	case **Job:
		pointer(c, v, nil, func(j *Job) { j.fields(c) })
	case *[]NetworkResource:
		list(c, v, &c.r.spare.networks, func(n *NetworkResource) { n.fields(c) })
	case *[]Port:
		list(c, v, &c.r.spare.ports, func(p *Port) { p.fields(c) })
	case *[]TaskGroup:
		list(c, v, nil, func(g *TaskGroup) { g.fields(c) })
	case *[]Task:
		list(c, v, nil, func(t *Task) { t.fields(c) })
	case *[]Service:
		list(c, v, nil, func(s *Service) { s.fields(c) })
	case *[]ServiceCheck:
		list(c, v, nil, func(s *ServiceCheck) { s.fields(c) })
	case *[]Constraint:
		list(c, v, nil, func(k *Constraint) { k.fields(c) })
	}
}

// pointer codes a nil pointer, or the struct behind it. A struct that is read is the first in
// from, or new.
func pointer[T any](c *coder, p **T, from *[]T, fields func(*T)) {
	switch {
	case c.dst == nil && c.r.null():
		return
	case c.dst == nil:
		*p = &carve(from, 1)[:1][0]
	case *p == nil:
		*c.dst = appendNil(*c.dst)
		return
	}
	fields(*p)
}

// list codes a list of structs. An empty one is coded as nil. A list that is read is the front
// of from, or new.
func list[T any](c *coder, v, from *[]T, fields func(*T)) {
	if c.dst != nil {
		*c.dst = appendListLen(*c.dst, len(*v))
		for i := range *v {
			fields(&(*v)[i])
		}
		return
	}
	n := c.r.arrayLen()
	if n > 0 {
		*v = carve(from, n)
	}
	for i := range n {
		var zero T
		*v = append(*v, zero)
		fields(&(*v)[i])
	}
}
