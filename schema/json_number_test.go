package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomNumber returns a JSON number, often an integral float near 64 bits.
func randomNumber(r *rand.Rand) string {
	s := []string{"", "-"}[r.IntN(2)] + fmt.Sprint(r.Uint64()>>r.UintN(64))
	if r.IntN(2) == 0 {
		s += "." + strings.Repeat("0", r.IntN(3)) + fmt.Sprint(r.Uint64()>>r.UintN(64)) + strings.Repeat("0", r.IntN(3))
	}
	if r.IntN(2) == 0 {
		s += string("eE"[r.IntN(2)]) + []string{"", "+", "-"}[r.IntN(3)] + fmt.Sprint(r.IntN(25))
	}
	return s
}

// TestDecimalAgainstBig compares with the arithmetic of math/big.
func TestDecimalAgainstBig(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	integers, last := 0, "0"
	for range 50_000 {
		s := randomNumber(r)
		if r.IntN(4) == 0 {
			s = last + strings.Repeat("0", 3) + "e-3" // the same number in another form
			if strings.ContainsAny(last, "eE.") {
				s = last
			}
		}
		exact, ok := new(big.Rat).SetString(s)
		require.True(t, ok)
		before, ok := new(big.Rat).SetString(last)
		require.True(t, ok)
		d, ok := parseDecimal(s)
		require.True(t, ok)
		was, _ := parseDecimal(last)
		require.Equal(t, exact.Cmp(before) == 0, d == was, "%s and %s", s, last)
		last = s
		if !exact.IsInt() || !exact.Num().IsInt64() && !exact.Num().IsUint64() {
			continue
		}
		integers++
		got, ok := d.integer()
		require.True(t, ok, "%s is an integer of 64 bits", s)
		require.Equal(t, exact.Num().String(), got, "%s must be exact", s)
		require.Equal(t, exact.Num().String(), strings.TrimPrefix(integerText(s), "+"), "%s must be exact", s)
	}
	require.Greater(t, integers, 1000, "the numbers must try both")
}

// TestNumberOfIsExact compares the value of a Config's number with the text, by math/big.
func TestNumberOfIsExact(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	kinds := map[string]int{}
	for range 50_000 {
		s := randomNumber(r)
		n, ok := numberOf(s)
		require.True(t, ok)
		kinds[fmt.Sprintf("%T", n)]++
		text, err := json.Marshal(n)
		require.NoError(t, err)
		got, ok := new(big.Rat).SetString(string(text))
		require.True(t, ok)
		exact, ok := new(big.Rat).SetString(s)
		require.True(t, ok)
		require.Zero(t, got.Cmp(exact), "%s came back as %s", s, text)
		again, ok := numberOf(string(text))
		require.True(t, ok)
		require.Equal(t, n, again)
	}
	require.Len(t, kinds, 4, "%v", kinds)
}

// TestHugeNumbersCostNothing is not parallel, because it counts memory allocations.
func TestHugeNumbersCostNothing(t *testing.T) {
	for _, s := range []string{"1e1000000000", "1e-1000000000", "1e99999999999999999999", "1.5e-9223372036854775808", "-1e9223372036854775807"} {
		allocated := testing.AllocsPerRun(10, func() {
			_, isNumber := must(numberOf(s)).(json.Number)
			require.True(t, isNumber, "%s is no integer of 64 bits", s)
		})
		require.Less(t, allocated, 20.0, "%s must not be written out", s)
	}
}

func must(v any, ok bool) any {
	if !ok {
		panic("no number")
	}
	return v
}
