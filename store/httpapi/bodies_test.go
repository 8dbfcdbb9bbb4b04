package httpapi

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// sample returns the documented allocation, under another ID.
func sample(t testing.TB, n int) *schema.Allocation {
	t.Helper()
	text, err := os.ReadFile("../../testdata/allocation.json")
	require.NoError(t, err)
	a, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	a.ID = fmt.Sprintf("%08x%s", n, a.ID[8:])
	return a
}

// TestBodiesStayBounded asks for more than is kept, and for versions that follow each
// other, and compares with what encoding/json says.
func TestBodiesStayBounded(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	b := newBodies(limit, false)
	for n := range 2000 {
		a := sample(t, n%60*n%37)
		a.ModifyIndex = uint64(n)
		for range 2 {
			got, err := b.of(a, form{})
			require.NoError(t, err)
			want, err := json.Marshal(a)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		require.LessOrEqual(t, b.mu.bytes, limit)
		require.Len(t, b.mu.byID, b.mu.latest.Len())
		sum := 0
		for e := b.mu.latest.Front(); e != nil; e = e.Next() {
			sum += e.Value.(*encoded).bytes
		}
		require.Equal(t, sum, b.mu.bytes)
	}
	require.Greater(t, b.mu.latest.Len(), 5)
	b = newBodies(-1, false)
	_, err := b.of(sample(t, 1), form{})
	require.NoError(t, err)
	require.Empty(t, b.mu.byID, "nothing is kept")
}

var sink []byte

// BenchmarkBody is what an answer costs beside copying its bytes: of 10,000 allocations
// in random order.
func BenchmarkBody(b *testing.B) {
	const n = 1000
	bodies := newBodies(DefaultMaxCacheBytes, false)
	all, encoded := make([]*schema.Allocation, n), make([][]byte, n)
	for i := range all {
		all[i] = sample(b, i)
		encoded[i], _ = bodies.of(all[i], form{})
	}
	buf := make([]byte, 0, 16<<10)
	b.Run("copied", func(b *testing.B) {
		for i := range b.N {
			sink = append(buf, encoded[i*7919%n]...)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		for i := range b.N {
			body, err := bodies.of(all[i*7919%n], form{})
			if err != nil {
				b.Fatal(err)
			}
			sink = append(buf, body...)
		}
	})
	b.Run("changed", func(b *testing.B) {
		for i := range b.N {
			body, err := bodies.encode(all[i*7919%n], form{})
			if err != nil {
				b.Fatal(err)
			}
			sink = append(buf, body...)
		}
	})
}
