package schema

import (
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

// TestIntegralAgainstBig compares with the arithmetic of math/big.
func TestIntegralAgainstBig(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	rewritten := 0
	for range 50_000 {
		s := randomNumber(r)
		exact, ok := new(big.Rat).SetString(s)
		require.True(t, ok)
		fits := exact.IsInt() && (exact.Num().IsInt64() || exact.Num().IsUint64()) && strings.ContainsAny(s, ".eE")
		got, ok := integral(s)
		require.Equal(t, fits, ok, "%s is rewritten if it is a float and an integer of 64 bits", s)
		if ok {
			rewritten++
			require.Equal(t, exact.Num().String(), got, "%s must be exact", s)
		}
	}
	require.Greater(t, rewritten, 1000, "the numbers must try both")
}

// TestShiftsAgainstMarks rewrites texts with marks in them. The shifts must lead to the marks.
func TestShiftsAgainstMarks(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 2000 {
		var text strings.Builder
		for range r.IntN(20) {
			fmt.Fprintf(&text, `%s,"m 1e1\"",m:`, randomNumber(r))
		}
		out, shifts := integralNumbers([]byte(text.String()))
		if out == nil {
			out = []byte{}
		}
		marks := 0
		for i, c := range out {
			if c == 'm' {
				marks++
				at := original(shifts, int64(i))
				require.Equal(t, byte('m'), text.String()[at], "offset %d of %s", i, text.String())
				require.Equal(t, marks-1, strings.Count(text.String()[:at], "m"), "the same mark must be found")
			}
		}
		require.Equal(t, strings.Count(text.String(), "m"), marks, "strings must stay as they are")
		require.Equal(t, int64(text.Len()), original(shifts, int64(len(out))), "the ends must correspond")
	}
}

// TestHugeNumbersCostNothing is not parallel, because it counts memory allocations.
func TestHugeNumbersCostNothing(t *testing.T) {
	for _, s := range []string{"1e1000000000", "1e-1000000000", "1e99999999999999999999", "1.5e-9223372036854775808", "-1e9223372036854775807"} {
		allocated := testing.AllocsPerRun(10, func() {
			_, ok := integral(s)
			require.False(t, ok, "%s is no integer of 64 bits", s)
		})
		require.Less(t, allocated, 10.0, "%s must not be written out", s)
	}
}
