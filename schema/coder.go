package schema

import "time"

// A coder appends the fields of structs as tuples, or reads them. Each struct names its
// fields once, in the order of its tuple, in a method that serves both:
//
//	func (p *Port) fields(c *coder) {
//		outer := c.open()
//		c.interned(&p.Label)
//		c.int(&p.Value)
//		c.close(outer)
//	}
//
// When reading, a field that is missing in the tuple keeps its value, and a field that only a
// newer writer knows is skipped.
//
// The reader and the tuple are behind pointers, and are passed to known functions only. So the
// compiler keeps them off the heap, although bytes of the tuple escape.
type coder struct {
	r    *reader // nil when appending
	t    *tuple  // nil when reading
	left int     // unread fields of the struct, when reading
}

// outer is the saved state of the struct around the current one.
type outer struct {
	left, start, n, kept int
}

// open begins a struct, which ends with c.close(outer).
func (c *coder) open() outer {
	if c.r != nil {
		o := outer{left: c.left}
		c.left = c.r.arrayLen()
		return o
	}
	o := outer{start: c.t.start, n: c.t.n, kept: c.t.kept}
	c.t.start, c.t.n, c.t.kept = len(c.t.dst), 0, 0
	c.t.dst = append(c.t.dst, codeFixArray)
	c.t.keptEnd = len(c.t.dst)
	return o
}

// close ends a struct and returns to the one around it, in which the field with the struct
// counts as set.
func (c *coder) close(o outer) {
	if c.r != nil {
		for range c.left {
			c.r.skip()
		}
		c.left = o.left
		return
	}
	c.t.dst = c.t.close()
	c.t.keptEnd = len(c.t.dst)
	c.t.start, c.t.n, c.t.kept = o.start, o.n, o.kept
}

// next reports whether the struct has one more field to read.
func (c *coder) next() bool {
	if c.left == 0 {
		return false
	}
	c.left--
	return true
}

// text codes a string that belongs to one allocation.
func (c *coder) text(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.text()
	}
}

// interned codes a string that many allocations have in common.
func (c *coder) interned(v *string) {
	if c.r == nil {
		c.t.str(*v)
	} else if c.next() {
		*v = c.r.interned()
	}
}

// int codes an integer.
func (c *coder) int(v *int) {
	if c.r == nil {
		c.t.int(int64(*v))
	} else if c.next() {
		*v = c.r.int()
	}
}

func (c *coder) duration(v *time.Duration) {
	if c.r == nil {
		c.t.int(int64(*v))
	} else if c.next() {
		*v = time.Duration(c.r.int64())
	}
}

func (c *coder) uint(v *uint64) {
	if c.r == nil {
		c.t.uint(*v)
	} else if c.next() {
		*v = c.r.uint64()
	}
}

func (c *coder) bool(v *bool) {
	if c.r == nil {
		c.t.bool(*v)
	} else if c.next() {
		*v = c.r.bool()
	}
}

func (c *coder) texts(v *[]string) {
	if c.r == nil {
		c.t.field(appendStrings(c.t.dst, *v), len(*v) != 0)
	} else if c.next() {
		*v = c.r.stringList()
	}
}

func (c *coder) textMap(v *map[string]string) {
	if c.r == nil {
		c.t.field(appendStringMap(c.t.dst, *v), len(*v) != 0)
	} else if c.next() {
		*v = c.r.stringMap()
	}
}

// present codes a nil pointer, or reports that the caller must code the struct behind it. When
// reading, that struct is new.
func present[T any](c *coder, p **T) bool {
	if c.r == nil {
		return c.presence(*p != nil)
	}
	if !c.next() || c.r.null() {
		return false
	}
	*p = new(T)
	return true
}

// presence begins a field that is appended in several steps, or appends nil for an unset one.
func (c *coder) presence(set bool) bool {
	if !set {
		c.t.zero(codeNil)
		return false
	}
	c.t.n++
	c.t.kept = c.t.n
	return true
}

// list codes the length of a list and returns it. The caller codes the elements:
//
//	for i := range list(c, &j.TaskGroups) {
//		at(&j.TaskGroups, i).fields(c)
//	}
func list[T any](c *coder, v *[]T) int {
	n := c.length(len(*v))
	if c.r != nil && n > 0 {
		*v = make([]T, 0, min(n, maxPrealloc))
	}
	return n
}

// length codes the length of a list, which is n when appending. An empty list is coded as nil.
func (c *coder) length(n int) int {
	if c.r != nil {
		if c.next() {
			return c.r.arrayLen()
		}
		return 0
	}
	if c.presence(n > 0) {
		c.t.dst = appendArrayLen(c.t.dst, n)
	}
	return n
}

// at returns element i of a list. It appends a zero element if i is the length of the list.
func at[T any](list *[]T, i int) *T {
	if i == len(*list) {
		var zero T
		*list = append(*list, zero)
	}
	return &(*list)[i]
}
