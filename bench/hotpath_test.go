package main

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkGetResident is Get of what has been read before. In BenchmarkGet
// from=memory the first read of each allocation decodes it, since a write does
// not, so its figure depends on how often it gets around.
func BenchmarkGetResident(b *testing.B) {
	p := placedStore(b)
	for _, id := range p.ids {
		_, err := p.s.Get(id)
		require.NoError(b, err)
	}
	b.Run(fmt.Sprint("allocs=", benchAllocs), func(b *testing.B) {
		b.ReportAllocs()
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for n := int(next.Add(1)) * 1000; pb.Next(); n++ {
				if _, err := p.s.Get(p.ids[shuffled(n)]); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
