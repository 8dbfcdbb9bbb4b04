package record

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeysSortAsWritten compares the order of keys with that of their encodings, at the
// ends of their range and at random.
func TestKeysSortAsWritten(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	ends := []Key{{}, {Pos: math.MaxUint32}, {Index: 1}, {Index: math.MaxUint64 - 1, Pos: math.MaxUint32}, {Index: math.MaxUint64}}
	random := func() Key {
		if r.IntN(4) == 0 {
			return ends[r.IntN(len(ends))]
		}
		return Key{r.Uint64N(4), r.Uint32N(4)}
	}
	for range 2000 {
		a, b := random(), random()
		want := bytes.Compare(a.AppendTo(nil), b.AppendTo(nil))
		require.Equal(t, want > 0, a.After(b), "%v after %v", a, b)
		require.Equal(t, a, ParseKey(a.AppendTo([]byte{})))
		newest := Pair{a, b}.Newest()
		require.False(t, a.After(newest) || b.After(newest))
		if next := a.Next(); !next.Exhausted() {
			require.True(t, next.After(a))
			require.Equal(t, 1, bytes.Compare(next.AppendTo(nil), a.AppendTo(nil)))
		}
	}
	require.True(t, FirstAfter(math.MaxUint64-1).Exhausted())
	require.True(t, FirstAfter(math.MaxUint64).Exhausted())
	require.Equal(t, Key{Index: 8}, FirstAfter(7))
}

// TestContentSumForgetsTheOrder adds and removes records and jobs in any order, and expects
// the sum of those that are left.
func TestContentSumForgetsTheOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 2))
	var numbers []uint64
	for i := range 50 {
		rec := Record{Flags: FlagClient, Client: "\x90"}
		k := Key{Index: uint64(i + 1)}
		numbers = append(numbers, SumNumber(k, rec.AppendTo(nil, k)), HashJob(string(rune(i))).SumNumber())
	}
	var all, half ContentSum
	for i, n := range numbers {
		all.Add(n)
		if i%2 == 0 {
			half.Add(n)
		}
	}
	for _, i := range r.Perm(len(numbers)) {
		if i%2 != 0 {
			all.Remove(numbers[i])
		}
	}
	require.Equal(t, half, all)
	require.NotEqual(t, all.ManifestSum(1, 2, 3), all.ManifestSum(1, 3, 2))
	require.NotEqual(t, TransactionNumber(1), TransactionNumber(2))
}
