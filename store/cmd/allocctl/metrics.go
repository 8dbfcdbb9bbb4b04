package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"allocstore/store"
)

// newMetrics returns the metrics for Prometheus, and a function that counts the requests to a handler.
func newMetrics(s *store.Store) (*prometheus.Registry, func(http.Handler) http.Handler) {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), storeCollector{s})
	requests := promauto.With(r).NewCounterVec(prometheus.CounterOpts{Name: "allocstore_http_requests_total", Help: "Answered requests."}, []string{"code", "method"})
	inFlight := promauto.With(r).NewGauge(prometheus.GaugeOpts{Name: "allocstore_http_requests_in_flight", Help: "Requests without an answer yet, including blocked ones."})
	return r, func(h http.Handler) http.Handler {
		return promhttp.InstrumentHandlerInFlight(inFlight, promhttp.InstrumentHandlerCounter(requests, h))
	}
}

// A storeCollector collects the Stats of a store.
type storeCollector struct{ s *store.Store }

// Describe implements prometheus.Collector.
func (c storeCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements prometheus.Collector.
func (c storeCollector) Collect(to chan<- prometheus.Metric) {
	s := c.s.Stats()
	add := func(kind prometheus.ValueType, name, help string, value float64) {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("allocstore_"+name, help, nil, nil), kind, value)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "last_index", "Index of the last write.", float64(s.LastIndex))
	add(gauge, "floor_index", "Index up to which changes may have been removed.", float64(s.Floor))
	add(gauge, "allocations", "Allocations.", float64(s.Allocations))
	add(gauge, "tombstones", "Deleted IDs that are remembered.", float64(s.Tombstones))
	add(gauge, "jobs", "Distinct jobs.", float64(s.Jobs))
	add(gauge, "waiters", "Blocked readers.", float64(s.Waiters))
	add(gauge, "readers", "Open snapshots, lists and feed readers.", float64(s.Readers))
	add(gauge, "file_bytes", "Size of the file.", float64(s.FileBytes))
	add(gauge, "live_bytes", "Bytes of live records, and of jobs.", float64(s.LiveBytes))
	add(gauge, "dead_bytes", "Bytes of superseded records.", float64(s.DeadBytes))
	add(gauge, "resident_bytes", "Estimated memory of decoded allocations.", float64(s.ResidentBytes))
	add(gauge, "damaged", "Damaged records and jobs in the file.", float64(s.Damaged))
	add(gauge, "quarantined_allocations", "Allocations that damage keeps from being read.", float64(s.Quarantined))
	add(counter, "commits_total", "Transactions since the store was opened.", float64(s.Commits))
	add(counter, "batches_total", "Batches that changed something.", float64(s.Batches))
	add(counter, "writes_total", "Records written.", float64(s.Writes))
	add(counter, "compaction_passes_total", "Passes of compaction.", float64(s.Passes))
	add(counter, "decoded_total", "Reads that had to decode an allocation.", float64(s.Misses))
}
