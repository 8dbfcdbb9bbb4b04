package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/cluster"
	"allocstore/store"
)

// The cluster of BenchmarkSchedule, and the share of its capacity that is filled.
const (
	filledNodes = 500
	filledShare = .9
)

// BenchmarkSchedule fills the nodes of a cluster by concurrent schedulers, one allocation a
// batch: under conditions, and then the same under one lock. The time is that of both. The
// metric "ratio" is the rate under conditions by the rate under the lock.
func BenchmarkSchedule(b *testing.B) {
	for _, schedulers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("schedulers=", schedulers), func(b *testing.B) {
			free, locked, conflicts, placed := time.Duration(0), time.Duration(0), 0, 0
			for b.Loop() {
				f := fill(b, schedulers, false)
				free, conflicts, placed = free+f.Took, conflicts+f.Conflicts, placed+filledAllocs()
				locked += fill(b, schedulers, true).Took
			}
			b.ReportMetric(float64(placed)/free.Seconds(), "placed/s")
			b.ReportMetric(float64(placed)/locked.Seconds(), "placed-locked/s")
			b.ReportMetric(locked.Seconds()/free.Seconds(), "ratio")
			b.ReportMetric(float64(conflicts)/float64(placed), "conflicts/placed")
		})
	}
}

func filledAllocs() int { return int(filledShare * filledNodes * cluster.Slots) }

// fill fills a new store. It fails if a node is over its capacity.
func fill(b *testing.B, schedulers int, locked bool) cluster.Filling {
	b.StopTimer()
	c, err := cluster.New(cluster.Config{Sample: "../testdata/allocation.json", Seed: 1, Nodes: filledNodes, Allocs: filledAllocs(), Schedulers: schedulers})
	require.NoError(b, err)
	s, err := store.Open(filepath.Join(b.TempDir(), "fill.db"), nil)
	require.NoError(b, err)
	b.StartTimer()
	f, err := c.Fill(context.Background(), s, locked)
	b.StopTimer()
	require.NoError(b, err)
	require.NoError(b, s.Close())
	b.StartTimer()
	return f
}
