package schema

func appendStrings(dst []byte, list []string) []byte {
	dst = appendListLen(dst, len(list))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

func (r *reader) stringList() []string {
	n := r.arrayLen()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, maxPrealloc))
	for range n {
		list = append(list, r.str())
	}
	return list
}

// stringMap reads a map of strings. It sets r.noncanonical if the keys are not in order. With
// r.checkOnly it builds no map.
func (r *reader) stringMap() map[string]string {
	at := r.off
	n := r.mapLen()
	r.noncanonical = r.noncanonical || n == 0 && !r.zeroSince(at)
	if n == 0 {
		return nil
	}
	var m map[string]string
	if !r.checkOnly {
		m = make(map[string]string, min(n, maxPrealloc))
	}
	var last string
	for i := range n {
		at := r.off
		key, value := r.str(), r.str()
		r.noncanonical = r.noncanonical || i > 0 && key <= last
		last = key
		if m == nil {
			continue
		}
		if m[key] = value; len(m) != i+1 {
			r.fail(at, "a key that is new to its map")
			return nil
		}
	}
	return m
}

// appendConfig writes a driver's configuration.
func appendConfig(dst []byte, config map[string]any) []byte {
	if len(config) == 0 {
		return appendNil(dst)
	}
	return appendValues(dst, config, 1)
}

func (r *reader) config() map[string]any {
	if values := r.values(1); len(values) != 0 {
		return values
	}
	return nil
}

// appendValue writes a free-form value that is depth levels deep. Here an empty list or map is
// not nil, because the driver may distinguish them. A value that Validate refuses becomes nil.
// So does a value that is too deep: it may contain itself.
func appendValue(dst []byte, v any, depth int) []byte {
	switch v := v.(type) {
	case nil:
		return appendNil(dst)
	case bool:
		return appendBool(dst, v)
	case string:
		return appendString(dst, v)
	case int64:
		return appendInt(dst, v)
	case uint64:
		return appendUint(dst, v)
	case float64:
		return appendFloat(dst, v)
	case []any:
		return appendAnyList(dst, v, depth+1)
	case map[string]any:
		return appendValues(dst, v, depth+1)
	}
	if v, ok := canonical(v); ok {
		return appendValue(dst, v, depth)
	}
	return appendNil(dst)
}

func appendAnyList(dst []byte, list []any, depth int) []byte {
	if depth > maxDepth {
		return appendNil(dst)
	}
	dst = appendArrayLen(dst, len(list))
	for _, v := range list {
		dst = appendValue(dst, v, depth)
	}
	return dst
}

// appendValues writes a map of free-form values, itself depth levels deep.
func appendValues(dst []byte, m map[string]any, depth int) []byte {
	if depth > maxDepth {
		return appendNil(dst)
	}
	dst = appendMapLen(dst, len(m))
	if len(m) == 1 {
		for key, v := range m {
			dst = appendValue(appendString(dst, key), v, depth)
		}
		return dst
	}
	var room [8]string
	for _, key := range sortedKeys(m, room[:0]) {
		dst = appendValue(appendString(dst, key), m[key], depth)
	}
	return dst
}

// value reads a free-form value that is depth levels deep.
func (r *reader) value(depth int) any {
	if r.off >= len(r.src) {
		r.fail(r.off, "a value")
		return nil
	}
	switch c := r.src[r.off]; {
	case c == codeNil:
		r.off++
		return nil
	case c == codeFalse || c == codeTrue:
		return r.bool()
	case c == codeFloat32 || c == codeFloat64:
		return r.float()
	case c&^fixStrLen == codeFixStr || c >= codeStr8 && c <= codeStr32:
		return r.str()
	case c&^fixListLen == codeFixArray || c == codeArray16 || c == codeArray32:
		return r.anyList(depth + 1)
	case c&^fixListLen == codeFixMap || c == codeMap16 || c == codeMap32:
		return r.values(depth + 1)
	}
	return r.anyInt()
}

// anyInt reads an integer as an int64, or as a uint64 above that range.
func (r *reader) anyInt() any {
	at := r.off
	v, neg, ok := r.integer()
	switch {
	case !ok:
		r.fail(at, "a free-form value")
		return nil
	case neg || v <= 1<<63-1:
		return int64(v)
	}
	return v
}

func (r *reader) anyList(depth int) []any {
	at := r.off
	if depth > maxDepth {
		r.fail(at, "fewer levels")
		return nil
	}
	n := r.arrayLen()
	list := make([]any, 0, min(n, maxPrealloc))
	for range n {
		list = append(list, r.value(depth))
	}
	return list
}

func (r *reader) values(depth int) map[string]any {
	at := r.off
	if depth > maxDepth {
		r.fail(at, "fewer levels")
		return nil
	}
	n := r.mapLen()
	m := make(map[string]any, min(n, maxPrealloc))
	for i := range n {
		at := r.off
		key := r.str()
		m[key] = r.value(depth)
		if len(m) != i+1 {
			r.fail(at, "a key that is new to its map")
			return nil
		}
	}
	return m
}
