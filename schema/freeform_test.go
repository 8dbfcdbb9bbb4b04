package schema

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// canonical returns v as it comes back from the codec. It reports false if that is nil for
// another value.
func canonical(t *testing.T, v any) (any, bool) {
	t.Helper()
	j, err := decodeJob(string(appendJob(nil, withConfig(v).Job)))
	require.NoError(t, err)
	stored := j.TaskGroups[0].Tasks[0].Config["x"]
	return stored, stored != nil || v == nil
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	var largest any = uint64(math.MaxUint)
	if math.MaxUint == math.MaxUint32 {
		largest = int64(math.MaxUint32)
	}
	list, m := []any{int64(1), "a"}, map[string]any{"a": int64(1)}
	for _, c := range []struct{ in, want any }{
		{nil, nil}, {true, true}, {"s", "s"},
		{int(-1), int64(-1)}, {int8(-1), int64(-1)}, {int16(-1), int64(-1)}, {int32(-1), int64(-1)}, {int64(-1), int64(-1)},
		{uint(1), int64(1)}, {uint8(1), int64(1)}, {uint16(1), int64(1)}, {uint32(1), int64(1)}, {uint64(1), int64(1)},
		{uint64(math.MaxInt64), int64(math.MaxInt64)}, {uint64(math.MaxInt64 + 1), uint64(math.MaxInt64 + 1)},
		{uint(math.MaxUint), largest}, {time.Second, int64(1e9)},
		{float32(0.5), 0.5}, {1.0, 1.0}, {math.MaxFloat64, math.MaxFloat64},
		{json.Number("5"), int64(5)}, {json.Number("18446744073709551615"), uint64(math.MaxUint64)},
		{json.Number("1e3"), int64(1000)}, {json.Number("0.5"), 0.5}, {json.Number("1e30"), 1e30},
		{json.Number("-18446744073709551615"), json.Number("-18446744073709551615")}, {json.Number("1e400"), json.Number("1e400")},
		{[]any{json.Number("0.30000000000000001"), 1.0}, []any{json.Number("0.30000000000000001"), 1.0}},
		{list, list}, {m, m}, {[]any{}, []any{}}, {map[string]any{}, map[string]any{}},
		{[]string{"a"}, []any{"a"}}, {[]int{1}, []any{int64(1)}}, {map[string]string{"a": "b"}, map[string]any{"a": "b"}},
		{[]map[string]any{m}, []any{m}}, {[]map[string]string{{"a": "b"}}, []any{map[string]any{"a": "b"}}},
	} {
		got, ok := canonical(t, c.in)
		require.True(t, ok, "%T %v can be stored", c.in, c.in)
		require.Equal(t, c.want, got, "%T %v in its canonical type", c.in, c.in)
		again, ok := canonical(t, got)
		require.True(t, ok)
		require.Equal(t, got, again, "a canonical value stays as it is")
		_, what := faultOf(c.in, 1)
		require.Empty(t, what, "Validate accepts a value that can be stored: %T %v", c.in, c.in)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	type named string
	for _, v := range []any{
		math.NaN(), math.Inf(1), math.Inf(-1), float32(math.Inf(1)), complex(1, 1), uintptr(1), named("s"), &struct{}{},
		[]byte("b"), []float64{1}, map[int]string{}, [1]int{}, func() {}, make(chan int), (*int)(nil), time.Time{},
		json.Number(""), json.Number("NaN"), json.Number("-Inf"), json.Number("0x1p-2"), json.Number("+5"), json.Number("01"),
		json.Number("1_000"), json.Number(" 1"), json.Number("1 "), json.Number("null"), json.Number("-"), json.Number("1.e5"),
	} {
		_, ok := canonical(t, v)
		require.False(t, ok, "%T %v cannot be stored", v, v)
		_, what := faultOf(v, 1)
		require.NotEmpty(t, what, "Validate refuses a value that cannot be stored: %T %v", v, v)
	}
}

// TestValidateAllowsNoDeeperThanTheCodec places each kind of list and map at the last level that
// the codec keeps, and one level deeper.
func TestValidateAllowsNoDeeperThanTheCodec(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		[]any{"a"}, map[string]any{"a": "b"}, []string{"a"}, []int{1}, map[string]string{"a": "b"},
		[]map[string]any{}, []map[string]string{},
	} {
		_, what := faultOf(v, maxDepth-1)
		require.Empty(t, what, "a %T may be at level %d", v, maxDepth)
		require.NotEqual(t, []byte{codeNil}, appendValue(nil, v, maxDepth-1, new(loss)), "the codec keeps a %T at level %d", v, maxDepth)
		_, what = faultOf(v, maxDepth)
		require.Equal(t, errTooDeep.Error(), what, "a %T may not be below level %d", v, maxDepth)
		require.Equal(t, []byte{codeNil}, appendValue(nil, v, maxDepth, new(loss)), "the codec keeps no %T below level %d", v, maxDepth)
	}
	for _, v := range []any{[]map[string]any{{}}, []map[string]string{{}}} {
		_, what := faultOf(v, maxDepth-1)
		require.Equal(t, errTooDeep.Error(), what, "the maps in a %T are a level of their own", v)
	}
}

// TestConfigIsTheSameFromEitherEncoding compares a Config from the codec with one from JSON.
func TestConfigIsTheSameFromEitherEncoding(t *testing.T) {
	t.Parallel()
	a := withConfig(freeFormReferences())
	stored := normal(t, a).Job.TaskGroups[0].Tasks[0].Config["x"]
	text, err := json.Marshal(a)
	require.NoError(t, err)
	back, err := DecodeJSON(text)
	require.NoError(t, err)
	require.Equal(t, stored, back.Job.TaskGroups[0].Tasks[0].Config["x"], "JSON must give the same")
}
