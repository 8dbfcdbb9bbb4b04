package schema

import (
	"encoding/json"
	"fmt"
)

// errTooDeep: a Config nests deeper than maxDepth.
var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// maxDepth bounds the nesting of lists and maps in a task's Config. The Config itself is the
// first level.
const maxDepth = 64

// config codes a Config.
func (c *coder) config(f *map[string]any) *coder {
	if c.r == nil {
		at := len(c.t.dst)
		c.t.dst, c.lost = appendConfig(c.t.dst, *f)
		c.t.fieldSince(at)
		c.configAt, c.configEnd = at, len(c.t.dst)
		c.anyLost = c.anyLost || c.lost > lossless
	} else if c.next() {
		*f = c.r.config()
	}
	return c
}

// exactConfig codes the numbers of a Config that MessagePack has no form for, such as 1e400. The
// Config itself has the nearest float64, or nil, in their places, which older readers take. The
// field is the whole Config as JSON, in its canonical types, and a reader takes only those numbers
// from it.
func (c *coder) exactConfig(f *map[string]any) *coder {
	switch {
	case c.r != nil:
		if c.next() {
			c.r.exactNumbers(*f)
		}
	case c.lost == inexact:
		r := reader{src: string(c.t.dst[c.configAt:c.configEnd])}
		text, _ := json.Marshal(withNumbers(r.config(), *f)) // canonical values have JSON
		c.t.str(string(text))
	default:
		c.t.zero(codeFixStr)
	}
	return c
}

// exactNumbers reads the JSON of a Config and sets its exact numbers in config.
func (r *reader) exactNumbers(config map[string]any) {
	at := r.off
	text := r.str()
	if text == "" || r.err != nil {
		return
	}
	var exact map[string]any
	if err := readJSON([]byte(text), func(j *jsonReader) { exact = j.config() }); err != nil {
		r.fail(at, "the JSON of a Config")
		return
	}
	withNumbers(config, exact)
}

// withNumbers returns v with the numbers of exact in their places.
func withNumbers(v, exact any) any {
	switch exact := exact.(type) {
	case json.Number:
		if n, _ := numberOf(string(exact)); n == any(exact) { // no other type keeps it
			return exact
		}
	case []map[string]any:
		if list, ok := v.([]any); ok {
			for i := range min(len(list), len(exact)) {
				list[i] = withNumbers(list[i], exact[i])
			}
		}
	case []any:
		if list, ok := v.([]any); ok {
			for i := range min(len(list), len(exact)) {
				list[i] = withNumbers(list[i], exact[i])
			}
		}
	case map[string]any:
		if m, ok := v.(map[string]any); ok {
			for key := range m {
				m[key] = withNumbers(m[key], exact[key])
			}
		}
	}
	return v
}
