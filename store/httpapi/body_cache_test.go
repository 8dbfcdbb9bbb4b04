package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
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

// TestBodyCacheStaysBounded asks for more bodies than the cache holds, and for successive versions,
// and compares them with the output of encoding/json.
func TestBodyCacheStaysBounded(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	b := newBodyCache(limit, false)
	for n := range 2000 {
		a := sample(t, n%60*n%37)
		a.ModifyIndex = uint64(n)
		for range 2 {
			got, err := b.get(a.ID, a, form(0))
			require.NoError(t, err)
			want, err := json.Marshal(a)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		require.LessOrEqual(t, b.bytes.Load(), int64(limit))
		var sum int64
		for i := range b.sets {
			for k := range b.sets[i] {
				sum += b.sets[i][k].Load().size()
			}
		}
		require.Equal(t, sum, b.bytes.Load())
	}
	require.Greater(t, b.bytes.Load(), int64(limit/2), "the cache is used")
	b = newBodyCache(-1, false)
	_, err := b.get("1", sample(t, 1), form(0))
	require.NoError(t, err)
	require.Zero(t, b.bytes.Load(), "the cache is off")
	require.Len(t, newBodyCache(math.MaxInt, false).sets, maxSets)
}

// TestBodyCacheConcurrent has several goroutines ask for the same few bodies at once, in all forms.
func TestBodyCacheConcurrent(t *testing.T) {
	t.Parallel()
	b := newBodyCache(60_000, false)
	all := make([]*schema.Allocation, 20)
	for i := range all {
		all[i] = sample(t, i)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 2000 {
				a, as := all[(n*7+g)%len(all)], form(n%forms)
				text, err := b.get(a.ID, a, as)
				want, e := b.encode(a, as)
				if err != nil || e != nil || string(text) != string(want) {
					t.Errorf("form %d: %v, %v", as, err, e)
					return
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, b.bytes.Load(), int64(60_000))
}

var sink []byte

// BenchmarkBody compares an answer with a copy of its bytes: for one allocation, and for 1,000 that
// are asked for in another order than at first.
func BenchmarkBody(b *testing.B) {
	for _, n := range []int{1, 1000} {
		cache := newBodyCache(DefaultMaxCacheBytes, false)
		all, encoded := make([]*schema.Allocation, n), make([][]byte, n)
		for i := range all {
			all[i] = sample(b, i)
			encoded[i], _ = cache.get(all[i].ID, all[i], form(0))
		}
		buf := make([]byte, 0, 16<<10)
		each := func(name string, body func(i int) ([]byte, error)) {
			b.Run(fmt.Sprintf("%s/of=%d", name, n), func(b *testing.B) {
				for i := range b.N {
					text, err := body(i * 7919 % n)
					if err != nil {
						b.Fatal(err)
					}
					sink = append(buf, text...)
				}
			})
		}
		each("copied", func(i int) ([]byte, error) { return encoded[i], nil })
		each("unchanged", func(i int) ([]byte, error) { return cache.get(all[i].ID, all[i], form(0)) })
		each("changed", func(i int) ([]byte, error) { return cache.encode(all[i], form(0)) })
	}
}
