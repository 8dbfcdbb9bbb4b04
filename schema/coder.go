package schema

// A coder appends structs as tuples, or reads them. Each struct names its fields once, in the
// order of its tuple, in a method that serves both:
//
//	func (p *Port) fields(c *coder) { c.interned(&p.Label).ints(&p.Value) }
//
// Each method of a coder codes fields of one type; one method for fields of any type made
// appending a job and a scheduler's part 1.5 times as slow as by hand, instead of 1.2. When
// reading, a field that is missing in the tuple keeps its value, and fields that only a newer
// writer knows are skipped.
//
// A coder, its reader and its tuple stay off the heap, because they are passed to known functions
// only. The tuple is behind a pointer because its bytes do escape.
type coder struct {
	r    *reader // nil when appending
	left int     // reading: fields of the struct that are to come
	last int     // reading: offset of the last field
	t    *tuple  // appending: the struct

	lost                loss // appending: what the bytes of the last Config do not have
	configAt, configEnd int  // appending: where those are
	anyLost             bool // appending: some Config lost something
}

// appender returns a coder that appends a struct to dst. Its tuple is closed by the caller.
func appender(dst []byte) coder {
	t := openTuple(dst)
	return coder{t: &t}
}

// newCoder returns a coder that reads a struct. The caller ends it by skipRest.
func newCoder(r *reader) coder { return coder{r: r, left: r.arrayLen()} }

// skipRest skips the fields that only a newer writer knows.
func (c *coder) skipRest() {
	for range c.left {
		c.r.skip()
	}
}

// next reports whether the struct that is read has another field.
func (c *coder) next() bool {
	if c.left == 0 {
		return false
	}
	c.left--
	c.last = c.r.off
	return true
}

func (c *coder) texts(fields ...*string) *coder    { return c.strings(ownText, fields) }
func (c *coder) interned(fields ...*string) *coder { return c.strings(internedText, fields) }
func (c *coder) aliases(fields ...*string) *coder  { return c.strings(aliasText, fields) }
func (c *coder) group(field *string) *coder        { return c.strings(groupText, []*string{field}) }

func (c *coder) strings(kind textKind, fields []*string) *coder {
	for _, f := range fields {
		if c.r == nil {
			c.t.str(*f)
		} else if c.next() {
			*f = c.r.textOf(kind)
		}
	}
	return c
}

func (c *coder) ints(fields ...*int) *coder {
	for _, f := range fields {
		if c.r == nil {
			c.t.int(int64(*f))
		} else if c.next() {
			*f = c.r.int()
		}
	}
	return c
}

func (c *coder) uints(fields ...*uint64) *coder {
	for _, f := range fields {
		if c.r == nil {
			c.t.uint(*f)
		} else if c.next() {
			*f = c.r.uint64()
		}
	}
	return c
}

func (c *coder) int64s(fields ...*int64) *coder {
	for _, f := range fields {
		if c.r == nil {
			c.t.int(*f)
		} else if c.next() {
			*f = c.r.int64()
		}
	}
	return c
}

func (c *coder) bools(field *bool) *coder {
	if c.r == nil {
		c.t.bool(*field)
	} else if c.next() {
		*field = c.r.bool()
	}
	return c
}

func (c *coder) textList(f *[]string) *coder { return code(c, f, appendStrings, c.r.stringList) }
func (c *coder) textMap(f *map[string]string) *coder {
	return code(c, f, appendStringMap, c.r.stringMap)
}
func (c *coder) counts(f *map[string]int) *coder     { return code(c, f, appendCounts, c.r.counts) }
func (c *coder) scores(f *map[string]float64) *coder { return code(c, f, appendScores, c.r.scores) }

func (c *coder) extra(f *extras) *coder {
	if c.r == nil && len(*f) == 0 {
		c.t.zero(codeNil)
		return c
	}
	return code(c, f, appendExtra, c.r.extra)
}

// code codes a field that has functions of its own.
func code[T any](c *coder, f *T, appendOne func([]byte, T) []byte, readOne func() T) *coder {
	if c.r == nil {
		at := len(c.t.dst)
		c.t.dst = appendOne(c.t.dst, *f)
		c.t.fieldSince(at)
	} else if c.next() {
		*f = readOne()
	}
	return c
}

// pointer codes a nil pointer, or the struct behind it. A struct that is read is the first in
// from, or new.
func pointer[T any](c *coder, p **T, from *[]T, fields func(*T)) *coder {
	switch {
	case c.r != nil:
		if c.next() && !c.r.null() {
			*p = &carve(from, 1)[:1][0]
			read(c, *p, fields)
		}
	case *p == nil:
		c.t.zero(codeNil)
	default:
		at, outer := len(c.t.dst), c.t.open()
		fields(*p)
		c.t.close()
		c.t.progress = outer
		c.t.fieldSince(at)
	}
	return c
}

// list codes a list of structs. An empty one is coded as nil. A list that is read is the front
// of from, or new.
func list[T any](c *coder, v, from *[]T, fields func(*T)) *coder {
	if c.r == nil && len(*v) == 0 {
		c.t.zero(codeNil)
		return c
	}
	if c.r == nil {
		at := len(c.t.dst)
		c.t.dst = appendArrayLen(c.t.dst, len(*v))
		for i := range *v {
			outer := c.t.open()
			fields(&(*v)[i])
			c.t.close()
			c.t.progress = outer
		}
		c.t.fieldSince(at)
		return c
	}
	if !c.next() {
		return c
	}
	n := c.r.arrayLen()
	if n > 0 {
		*v = carve(from, n)
	}
	for i := range n {
		var zero T
		*v = append(*v, zero)
		read(c, &(*v)[i], fields)
	}
	return c
}

// read reads a struct inside the one that c reads.
func read[T any](c *coder, v *T, fields func(*T)) {
	outer := c.left
	c.left = c.r.arrayLen()
	fields(v)
	c.skipRest()
	c.left = outer
}
