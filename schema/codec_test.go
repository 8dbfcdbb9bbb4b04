package schema

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// seeded returns a random generator and logs its seed.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// normal returns a copy of a that went through the codec: empty lists and maps are nil, except in
// a Config.
func normal(t testing.TB, a *Allocation) *Allocation {
	t.Helper()
	b, err := decodeAllocation(string(appendAllocation(nil, a)))
	require.NoError(t, err, "an encoding must decode")
	return b
}

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 2000 {
		a := randomAllocation(r)
		src := appendAllocation(nil, a)
		back, err := decodeAllocation(string(src))
		require.NoError(t, err, "an encoding must decode")
		emptyToNil(reflect.ValueOf(a).Elem())
		require.Equal(t, a, back, "decoding must give the encoded allocation")
		require.Equal(t, src, appendAllocation(nil, back), "equal content must be equal bytes")
	}
}

// emptyToNil makes the empty lists and maps under v nil, except in a Config.
func emptyToNil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			emptyToNil(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				emptyToNil(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			emptyToNil(v.Index(i))
		}
		if v.Len() == 0 {
			v.SetZero()
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.Pointer {
				emptyToNil(v.MapIndex(key))
			}
		}
		if v.Len() == 0 {
			v.SetZero()
		}
	}
}

func TestCodecPartsRoundTrip(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var c Codec
	for range 500 {
		a := normal(t, randomAllocation(r))
		b := randomAllocation(r) // every field of a part must be overwritten
		job, err := decodeJob(string(appendJob(nil, a.Job)))
		require.NoError(t, err)
		scheduler := string(appendScheduler(nil, a))
		require.NoError(t, c.DecodeScheduler(scheduler, ID{}, b))
		require.NoError(t, c.DecodeClient(string(appendClient(nil, a)), b))
		b.ID, b.Job, b.NextAllocation = a.ID, job, a.NextAllocation
		b.CreateIndex, b.ModifyIndex, b.AllocModifyIndex = a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex
		require.Equal(t, a, b, "the parts together are the allocation")

		placement, err := c.Placement(scheduler)
		require.NoError(t, err)
		require.Equal(t, Placement{a.EvalID, a.NodeID, a.JobID, a.DesiredStatus}, placement)
		status, err := c.ClientStatus(string(appendClient(nil, a)))
		require.NoError(t, err)
		require.Equal(t, a.ClientStatus, status)
	}
}

// TestCodecAgainstLibrary compares every byte with the encoding by the library's generic encoder.
func TestCodecAgainstLibrary(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 500 {
		a := normal(t, randomAllocation(r))
		src := appendAllocation(nil, a)
		require.Equal(t, byLibrary(t, a), src, "the library must write the same bytes")
		var decoded any
		require.NoError(t, msgpack.Unmarshal(src, &decoded), "the library must read our bytes")
		require.Equal(t, widened(plain(a)), widened(decoded), "the library must read the same fields")
	}
}

// widened returns v with every integer as an int64, or a uint64 above that range, as in a Config.
func widened(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = widened(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any)
		for key := range v {
			m[key] = widened(v[key])
		}
		return m
	}
	x := reflect.ValueOf(v)
	switch {
	case x.CanInt():
		return x.Int()
	case x.CanUint() && x.Uint() < 1<<63:
		return int64(x.Uint())
	case x.CanUint():
		return x.Uint()
	}
	return v
}

func TestCodecEqualContentIsEqualBytes(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	seen := make(map[string]*Allocation)
	for range 3000 {
		a := normal(t, &Allocation{ClientStatus: strings.Repeat("a", r.IntN(2)), TaskStates: randomAllocation(r).TaskStates})
		src := string(appendClient(nil, a))
		if other, ok := seen[src]; ok {
			require.Equal(t, other, a, "equal bytes must be equal content")
		}
		seen[src] = a
	}
	empty := &Allocation{
		Resources:     &Resources{},
		TaskResources: map[string]*Resources{},
		TaskStates:    map[string]*TaskState{},
		Job:           &Job{Datacenters: []string{}, Meta: map[string]string{}, TaskGroups: []TaskGroup{{Tasks: []Task{{Config: map[string]any{}}}}}},
	}
	null := &Allocation{Resources: &Resources{}, Job: &Job{TaskGroups: []TaskGroup{{Tasks: []Task{{}}}}}}
	require.Equal(t, appendAllocation(nil, null), appendAllocation(nil, empty), "empty counts as nil")
	require.Equal(t, null, normal(t, empty), "empty comes back as nil")
	require.Nil(t, normal(t, &Allocation{}).Resources, "a nil pointer stays nil")
	require.NotNil(t, normal(t, null).Resources, "a pointer to a zero struct is not a nil one")
}

func TestAppendAppends(t *testing.T) {
	a := withEvents(documented(), MaxTaskEvents)
	for name, appendPart := range map[string]func([]byte) []byte{
		"scheduler":  func(dst []byte) []byte { return appendScheduler(dst, a) },
		"client":     func(dst []byte) []byte { return appendClient(dst, a) },
		"job":        func(dst []byte) []byte { return appendJob(dst, a.Job) },
		"allocation": func(dst []byte) []byte { return appendAllocation(dst, a) },
	} {
		alone := appendPart(nil)
		require.Equal(t, "head"+string(alone), string(appendPart([]byte("head"))), "%s must keep the bytes in dst", name)
		dst := make([]byte, 0, 4096)
		require.Zero(t, testing.AllocsPerRun(100, func() { appendPart(dst) }), "%s must not allocate when dst has room", name)
	}
}

// TestCodecOtherVersions checks compatibility in both directions: a longer array decodes without
// its new fields, a shorter one with zeros for its missing fields.
func TestCodecOtherVersions(t *testing.T) {
	t.Parallel()
	a := normal(t, randomAllocation(rand.New(rand.NewPCG(3, 4))))
	newer := plainer{"new", int64(-5), map[string]any{"k": []any{true, nil, 1.5}}, []byte("raw")}
	src, err := msgpack.Marshal(newer.value(reflect.ValueOf(a)))
	require.NoError(t, err)
	back, err := decodeAllocation(string(src))
	require.NoError(t, err, "a newer writer's fields must be skipped")
	require.Equal(t, appendAllocation(nil, a), appendAllocation(nil, back), "a newer writer's fields must change nothing")

	fields := plainer(nil).fields(reflect.ValueOf(a).Elem(), "scheduler").([]any)
	for n := range fields {
		src, err := msgpack.Marshal(fields[:n])
		require.NoError(t, err)
		b := randomAllocation(seeded(t))
		require.NoError(t, new(Codec).DecodeScheduler(string(src), ID{}, b), "a shorter array must decode")
		for i, name := range wireOrder["scheduler"] {
			got := plain(reflect.ValueOf(b).Elem().FieldByName(name).Interface())
			if i >= n {
				require.Zero(t, reflect.ValueOf(b).Elem().FieldByName(name).Interface(), "%s is missing, so zero", name)
			} else if name != "Resources" && name != "Metrics" {
				require.Equal(t, fields[i], got, "%s is there", name)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	nested := func(head string, n int) string { return strings.Repeat(head, n) + "\xc0" }
	config := func(value string) string {
		return "\x97\xa0\xa0\xa0\xa0\x00\xc0\x91\x93\xa0\x00\x91\x94\xa0\xa0\xc0" + value
	}
	for rule, src := range map[string]string{
		"nothing is no value":               "",
		"a map is no struct":                "\x80",
		"0xc1 is no code":                   "\xc1",
		"a byte is left over":               "\x90\x90",
		"a field is missing":                "\x91",
		"a number is no string":             "\x91\x01",
		"an array of 4G elements":           "\xdd\xff\xff\xff\xff",
		"an array of 4G elements within":    "\x96\xa0\xa0\xa0\xa0\x00\xdd\xff\xff\xff\xff",
		"a string of 4 GB":                  "\x91\xdb\xff\xff\xff\xff",
		"a string cut short":                "\x91\xa2a",
		"a length cut short":                "\x91\xda\x00",
		"a priority beyond 64 bits, signed": "\x95\xa0\xa0\xa0\xa0\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		"a negative index":                  "\x9a\xa0\xa0\xa0\xa0\x00\xc0\xc0\xc0\xc0\xff",
		"a map of 4G keys":                  config("\xdf\xff\xff\xff\xff"),
		"a key twice":                       config("\x82\xa1a\x01\xa1a\x02"),
		"a key twice, deeper":               config("\x81\xa1a\x82\xa1a\x01\xa1a\x02"),
		"a key that is no string":           config("\x81\x01\x01"),
		"free-form lists too deep":          config("\x81\xa1a" + nested("\x91", maxDepth)),
		"free-form maps too deep":           config("\x81\xa1a" + nested("\x81\xa1a", maxDepth)),
		"free-form bytes":                   config("\x81\xa1a\xc4\x01x"),
		"an unknown field of 4G elements":   "\xdc\x00\x11" + strings.Repeat("\xa0", 4) + "\x00" + strings.Repeat("\xc0", 4) + "\x00\x00\xc0\xa0\xa0\xc2\xc0\xdd\xff\xff\xff\xff",
		"an extra value that is not JSON":   "\xdc\x00\x10" + strings.Repeat("\xa0", 4) + "\x00" + strings.Repeat("\xc0", 4) + "\x00\x00\xc0\xa0\xa0\xc2\x81\xa1a\xa2{]",
		"a key of Meta twice":               "\x9c\xa0\xa0\xa0\xa0\x00\xc0\xc0\xc0\xc0\x00\x00\x82\xa1a\xa0\xa1a\xa0",
	} {
		_, err := decodeJob(src)
		require.ErrorIs(t, err, ErrMalformed, "must be refused: %s", rule)
		require.Contains(t, err.Error(), "offset", "the error must name the offset: %s", rule)
	}
	job, err := decodeJob(config("\x81\xa1a" + nested("\x91", maxDepth-1)))
	require.NoError(t, err, "%d levels are allowed", maxDepth)
	require.NotNil(t, job)
}

// TestSkipDepthBomb skips a field of a newer writer, a million lists deep.
func TestSkipDepthBomb(t *testing.T) {
	t.Parallel()
	src := "\x95\xa0\xa0\xc0\xc0" + strings.Repeat("\x91", 1<<20) + "\xc0"
	require.NoError(t, new(Codec).DecodeClient(src, new(Allocation)), "the depth of a skipped field must not matter")
}

// TestDecodeCutShort decodes every prefix of an allocation, and each must be refused.
func TestDecodeCutShort(t *testing.T) {
	t.Parallel()
	src := string(appendAllocation(nil, withEvents(documented(), MaxTaskEvents)))
	for n := range src {
		_, err := decodeAllocation(src[:n])
		require.ErrorIs(t, err, ErrMalformed, "the first %d of %d bytes must be refused", n, len(src))
	}
}

func TestDocumentedIsTheFixture(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/allocation.json")
	require.NoError(t, err)
	a := new(Allocation)
	require.NoError(t, json.Unmarshal(text, a))
	require.Equal(t, documented(), a, "the literal must be the documented allocation")
	src, err := msgpack.Marshal(a)
	require.NoError(t, err)
	var back Allocation
	require.NoError(t, msgpack.Unmarshal(src, &back))
	want, err := json.Marshal(a)
	require.NoError(t, err)
	got, err := json.Marshal(&back)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "MessagePack must keep all that JSON shows")
}
