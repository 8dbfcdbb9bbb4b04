package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// readObjects returns the objects of a text without white space, the places of its bad texts, and the error
// at the end.
func readObjects(r *objectReader) (objects []string, bad []place, err error) {
	for {
		o, err := r.next()
		var text *badText
		switch {
		case errors.As(err, &text):
			bad = append(bad, text.place)
		case err != nil:
			return objects, bad, err
		default:
			objects = append(objects, compact(o.text))
		}
	}
}

// compact returns JSON without white space, and any other text unchanged.
func compact(text []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return string(text)
	}
	return out.String()
}

// decoded returns the objects that encoding/json finds in a text of objects and arrays of them, and false
// for any other text.
func decoded(text []byte) (objects []string, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if err == io.EOF {
			return objects, true
		}
		if err != nil {
			return nil, false
		}
		var elements []json.RawMessage
		switch {
		case value[0] == '{':
			objects = append(objects, compact(value))
		case value[0] == '[' && json.Unmarshal(value, &elements) == nil:
			for _, e := range elements {
				if e[0] != '{' {
					return nil, false
				}
				objects = append(objects, compact(e))
			}
		default:
			return nil, false
		}
	}
}

// FuzzObjects reads any text: it finds the same objects as encoding/json, and the sizes
// of the source's reads make no difference.
func FuzzObjects(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `[]`, `{"a":[1,{"b":"}\""}]}`, "[{},\n{\"a\":null}]{}", "\ufeff[\r\n{}]", "null {}", "{\"a\":\n{\"b\":1}\n{}",
		"{\"a\":\"\\\n\"}", "}{", `"`, `"a" "b`, "[[{}],{}]", "]{}", "{\"a\":[}\n]}{}", "\xef", "a\xef\xbb\n{}", "{\"a\":1,\n  {}\n{}", "x\n[{}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		objects, bad, err := readObjects(newObjectReader(bytes.NewReader(text), 1<<20))
		require.Equal(t, io.EOF, err)
		if want, ok := decoded(text); ok {
			require.Equal(t, want, objects, "as encoding/json")
			require.Empty(t, bad)
		}
		lines := 1 + bytes.Count(text, []byte("\n"))
		for i, p := range bad {
			require.LessOrEqual(t, p.line, p.last)
			require.LessOrEqual(t, p.last, lines)
			require.True(t, i == 0 || p.line >= bad[i-1].line, "in order")
		}
		one, badOne, err := readObjects(newObjectReader(iotest.OneByteReader(bytes.NewReader(text)), 1<<20))
		require.Equal(t, io.EOF, err)
		require.Equal(t, objects, one)
		require.Equal(t, bad, badOne)
	})
}

// TestObjectsBesideBadLines reads lines, and some are cut or are no JSON: each bad line is reported, no
// other is, and all other objects are read.
func TestObjectsBesideBadLines(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		var want []string
		var wantBad []int
		for n := range 1 + rnd.IntN(12) {
			line := randomObject(rnd, n)
			switch rnd.IntN(4) {
			case 0:
				line = line[:1+rnd.IntN(len(line)-1)]
				wantBad = append(wantBad, n+1)
			case 1:
				line = "level=INFO msg=" + line[1:1+rnd.IntN(8)]
				wantBad = append(wantBad, n+1)
			default:
				want = append(want, line)
			}
			text.WriteString(line + "\n")
		}
		objects, bad, err := readObjects(newObjectReader(strings.NewReader(text.String()), 1<<20))
		require.Equal(t, io.EOF, err)
		require.Equal(t, want, objects, "seed %d:\n%s", seed, &text)
		var lines []int
		for _, p := range bad {
			for line := p.line; line <= p.last; line++ {
				lines = append(lines, line)
			}
		}
		require.Equal(t, wantBad, lines, "seed %d:\n%s", seed, &text)
	}
}

// TestObjectsBesideACutOne reads objects over many lines, in an array or not, and one of them is cut.
func TestObjectsBesideACutOne(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		open, between, end := "[\n  ", ",\n  ", "\n]\n"
		indent := "  "
		if rnd.IntN(2) == 0 {
			open, between, end, indent = "", "\n", "\n", ""
		}
		count := 1 + rnd.IntN(5)
		cut := rnd.IntN(count)
		var want, parts []string
		for n := range count {
			var pretty bytes.Buffer
			line := randomObject(rnd, n)
			require.NoError(t, json.Indent(&pretty, []byte(line), indent, "\t"))
			part := pretty.String()
			if n == cut {
				part = part[:1+rnd.IntN(len(part)-1)]
			} else {
				want = append(want, line)
			}
			parts = append(parts, part)
		}
		text := open + strings.Join(parts, between) + end
		objects, bad, err := readObjects(newObjectReader(strings.NewReader(text), 1<<20))
		require.Equal(t, io.EOF, err)
		require.Equal(t, want, objects, "seed %d:\n%s", seed, text)
		require.Len(t, bad, 1, "seed %d:\n%s", seed, text)
		require.Equal(t, 1+strings.Count(open+strings.Join(append(slices.Clone(parts[:cut]), ""), between), "\n"), bad[0].line, "seed %d:\n%s", seed, text)
	}
}

// randomObject returns an object with a number, and strings that look like brackets.
func randomObject(rnd *rand.Rand, n int) string {
	var value func(depth int) any
	value = func(depth int) any {
		switch kind := rnd.IntN(6); {
		case kind == 0 && depth < 4:
			return []any{value(depth + 1), value(depth + 1)}
		case kind <= 2 && depth < 4:
			return map[string]any{"a": value(depth + 1), "b\"{": value(depth + 1)}
		case kind == 3:
			return `}]"\{[`
		case kind == 4:
			return nil
		}
		return rnd.IntN(1000)
	}
	text, _ := json.Marshal(map[string]any{"ID": n, "x": value(0)})
	return string(text)
}

// TestObjectsAreReadFewTimes has lines that each open an object and leave it open, so that each could be part
// of the one before: the work is bounded, and each line is reported.
func TestObjectsAreReadFewTimes(t *testing.T) {
	t.Parallel()
	const lines, maxAgain = 30_000, 1 << 20
	line := `{"x":"` + strings.Repeat("x", 80) + `","a":[` + "\n"
	r := newObjectReader(strings.NewReader(strings.Repeat(line, lines)), 1<<30)
	r.maxAgain = maxAgain
	objects, bad, err := readObjects(r)
	require.Equal(t, io.EOF, err)
	require.Empty(t, objects)
	require.Len(t, bad, lines)
	require.Less(t, r.again, maxAgain+maxDepth*len(line)+lines*2)
}

// TestObjectsLackABracket has lines that each lack a bracket: few are read for each.
func TestObjectsLackABracket(t *testing.T) {
	t.Parallel()
	const lines = 10_000
	for _, line := range []string{
		`{"ID":1,"Job":{"ID":"a"}` + "\n", `{"ID":1,"Job":{"ID":"a"},` + "\n", `{"ID":1,"Job":` + "\n{}\n", `{"ID":[1` + "\n", `{"ID":1` + "\n", `{"ID":[` + "\n{}\n",
	} {
		r := newObjectReader(strings.NewReader(strings.Repeat(line, lines)), 1<<30)
		_, bad, err := readObjects(r)
		require.Equal(t, io.EOF, err)
		require.Len(t, bad, lines, line)
		require.Less(t, r.again, 4*lines*len(line), line)
	}
}

// TestObjectsTakeLittleMemory has an object that never ends. Its memory is bounded, and the rest of the text takes none.
// It is not parallel: it counts all that is allocated.
func TestObjectsTakeLittleMemory(t *testing.T) {
	const limit = 16 << 20
	text := `{"x":"` + strings.Repeat("x", 8*limit)
	r := newObjectReader(strings.NewReader(text), limit)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := r.next()
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, store.ErrTooLarge)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*limit))
	_, err = r.next()
	require.Equal(t, io.EOF, err)
}

// TestObjectsAfterALostBracket has the end of an array without its beginning, which is reported unless it may be in a
// bad text.
func TestObjectsAfterALostBracket(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]place{
		"{}]\n{}":        {{1, 1, 2}},
		"x: [\n{},{}]":   {{1, 1, 0}},
		"[{\"a\"\n{}{}]": {{1, 1, 1}},
		"[{}\n{}":        {{1, 2, 0}},
		"[[{}]\n{}\n":    {{1, 3, 0}},
	} {
		objects, bad, err := readObjects(newObjectReader(strings.NewReader(text), 1<<20))
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{"{}", "{}"}, objects, text)
		require.Equal(t, want, bad, text)
	}
}

// TestObjectsOfAFailingSource has the source's error after the objects before it.
func TestObjectsOfAFailingSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, text := range []string{"{}\n", "{}\n[", "{}\n{\"a", "{}\n{\"a\":1", "{}\nnul", "{}\n\""} {
		r := newObjectReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), 1<<20)
		objects, bad, err := readObjects(r)
		require.Equal(t, []string{"{}"}, objects)
		require.ErrorIs(t, err, broken, "%q: %v", text, bad)
		require.Equal(t, "line 2: broken", err.Error())
	}
}

func BenchmarkObjects(b *testing.B) {
	var text bytes.Buffer
	rnd := rand.New(rand.NewPCG(1, 1))
	for n := range 10_000 {
		fmt.Fprintln(&text, randomObject(rnd, n))
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		r := newObjectReader(bytes.NewReader(text.Bytes()), 1<<20)
		for {
			if _, err := r.next(); err != nil {
				break
			}
		}
		if r.passed != text.Len() {
			b.Fatal(r.passed)
		}
	}
}
