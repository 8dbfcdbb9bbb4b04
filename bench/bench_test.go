package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/program"
	"allocstore/schema"
	"allocstore/store"
)

// benchAllocs is the number of allocations in the benchmarks' store.
const benchAllocs = 100_000

// taskName is the one task of the documented allocation.
const taskName = "redis"

// placedStore returns a store with benchAllocs allocations, placed as the program places them.
func placedStore(b *testing.B) *player {
	b.Helper()
	c := config{allocs: benchAllocs, readers: 1, writers: 256, nodes: 1, schedulers: 1, Flags: program.Flags{Seed: 1, Sample: "../testdata/allocation.json"}}
	p, err := newPlayer(c, b.TempDir(), new(progress))
	require.NoError(b, err)
	require.NoError(b, p.open())
	require.NoError(b, p.place(context.Background()))
	b.Cleanup(func() { require.NoError(b, p.s.Close()) })
	return p
}

// shuffled maps n to an allocation, so that n = 0, 1, 2, ... visits all of them in a scattered order.
func shuffled(n int) int { return n * 7919 % benchAllocs }

// getParallel measures Get from all processors.
func getParallel(b *testing.B, p *player) {
	b.ReportAllocs()
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for n := int(next.Add(1)) * 1000; pb.Next(); n++ {
			if _, err := p.s.Get(p.ids[shuffled(n)]); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkGetResident measures Get of decoded allocations.
func BenchmarkGetResident(b *testing.B) {
	p := placedStore(b)
	for _, id := range p.ids {
		_, err := p.s.Get(id)
		require.NoError(b, err)
	}
	b.Run(fmt.Sprint("allocs=", benchAllocs), func(b *testing.B) { getParallel(b, p) })
}

// BenchmarkGet measures Get of allocations that are not decoded yet. A write does
// not decode, so the first Get of each allocation does, and the figure of
// from=memory depends on how often the benchmark visits each.
func BenchmarkGet(b *testing.B) {
	p := placedStore(b)
	b.Run("from=memory", func(b *testing.B) {
		getParallel(b, p)
	})
	b.Run("from=file", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if n%benchAllocs == 0 {
				b.StopTimer()
				require.NoError(b, p.s.Close())
				require.NoError(b, p.open())
				b.StartTimer()
			}
			if _, err := p.s.Get(p.ids[shuffled(n)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUpdateFromClient(b *testing.B) {
	p := placedStore(b)
	var stamp atomic.Int64
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			b.ReportAllocs()
			var wg sync.WaitGroup
			for g := range writers {
				wg.Go(func() {
					for n := g; n < b.N; n += writers {
						ts := new(schema.TaskState)
						ts.Record(schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: stamp.Add(1)})
						upd := &schema.Allocation{ID: p.ids[shuffled(n)], ClientStatus: "running", TaskStates: map[string]*schema.TaskState{taskName: ts}}
						if _, err := p.s.UpdateFromClient(context.Background(), upd); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkPlace(b *testing.B) {
	p := placedStore(b)
	s, err := store.Open(filepath.Join(b.TempDir(), "place.db"), nil)
	require.NoError(b, err)
	defer s.Close()
	b.Run("batch=1000", func(b *testing.B) {
		placed := 0
		for b.Loop() {
			var batch store.Batch
			for i := range fleet.PerJob {
				batch.Upsert(p.Alloc((placed + i) % benchAllocs))
			}
			if placed += fleet.PerJob; placed%benchAllocs == 0 { // all are placed: delete them
				b.StopTimer()
				for i := 0; i < benchAllocs; i += fleet.PerJob {
					_, err := s.Delete(context.Background(), p.ids[i:i+fleet.PerJob]...)
					require.NoError(b, err)
				}
				b.StartTimer()
			}
			if _, err := s.Apply(context.Background(), &batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(placed)/b.Elapsed().Seconds(), "allocs/s")
	})
}

func BenchmarkOpen(b *testing.B) {
	p := placedStore(b)
	b.Run(fmt.Sprint("allocs=", benchAllocs), func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, p.s.Close())
			require.NoError(b, p.open())
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchAllocs, "ns/alloc")
	})
}

// BenchmarkWait measures one write together with the one reader that it wakes.
func BenchmarkWait(b *testing.B) {
	p := placedStore(b)
	ctx := context.Background()
	index, state := p.created[0], new(schema.TaskState)
	result := make(chan store.WaitResult)
	for n := int64(1); b.Loop(); n++ {
		go func() {
			r, _ := p.s.Wait(ctx, p.ids[0], store.QueryOptions{MinQueryIndex: index})
			result <- r
		}()
		state.Record(schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: n})
		upd := &schema.Allocation{ID: p.ids[0], TaskStates: map[string]*schema.TaskState{taskName: state}}
		a, err := p.s.UpdateFromClient(ctx, upd)
		if r := <-result; err != nil || r.Index != a.Index {
			b.Fatalf("woken at %d by the write at %d, %v", r.Index, a.Index, err)
		}
		index = a.Index
	}
}
