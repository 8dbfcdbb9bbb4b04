package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"allocstore/store"
)

// metrics are the metrics for Prometheus.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	inFlight prometheus.Gauge
}

func newMetrics(s *store.Store) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "allocstore_http_requests_total", Help: "Answered requests."}, []string{"code", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "allocstore_http_requests_in_flight", Help: "Requests without an answer yet, including blocked ones."}),
	}
	m.registry.MustRegister(m.requests, m.inFlight, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), storeCollector{s})
	return m
}

// count counts the requests to h.
func (m *metrics) count(h http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, promhttp.InstrumentHandlerCounter(m.requests, h))
}

// A storeCollector collects the Stats of a store.
type storeCollector struct{ s *store.Store }

// A figure is one field of Stats.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*store.Stats) float64
}

func gauge(name, help string, of func(*store.Stats) float64) figure {
	return figure{prometheus.NewDesc("allocstore_"+name, help, nil, nil), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(*store.Stats) float64) figure {
	return figure{prometheus.NewDesc("allocstore_"+name, help, nil, nil), prometheus.CounterValue, of}
}

var figures = []figure{
	gauge("last_index", "Index of the last write.", func(s *store.Stats) float64 { return float64(s.LastIndex) }),
	gauge("floor_index", "Index up to which changes may have been removed.", func(s *store.Stats) float64 { return float64(s.Floor) }),
	gauge("allocations", "Allocations.", func(s *store.Stats) float64 { return float64(s.Allocations) }),
	gauge("tombstones", "Deleted IDs that are remembered.", func(s *store.Stats) float64 { return float64(s.Tombstones) }),
	gauge("jobs", "Distinct jobs.", func(s *store.Stats) float64 { return float64(s.Jobs) }),
	gauge("waiters", "Blocked readers.", func(s *store.Stats) float64 { return float64(s.Waiters) }),
	gauge("readers", "Open snapshots, lists and feed readers.", func(s *store.Stats) float64 { return float64(s.Readers) }),
	gauge("file_bytes", "Size of the file.", func(s *store.Stats) float64 { return float64(s.FileBytes) }),
	gauge("live_bytes", "Bytes of live records, and of jobs.", func(s *store.Stats) float64 { return float64(s.LiveBytes) }),
	gauge("dead_bytes", "Bytes of superseded records.", func(s *store.Stats) float64 { return float64(s.DeadBytes) }),
	gauge("resident_bytes", "Estimated memory of decoded allocations.", func(s *store.Stats) float64 { return float64(s.ResidentBytes) }),
	gauge("damaged", "Damaged records and jobs in the file.", func(s *store.Stats) float64 { return float64(s.Damaged) }),
	gauge("quarantined_allocations", "Allocations that damage keeps from being read.", func(s *store.Stats) float64 { return float64(s.Quarantined) }),
	counter("commits_total", "Transactions since the store was opened.", func(s *store.Stats) float64 { return float64(s.Commits) }),
	counter("batches_total", "Batches that changed something.", func(s *store.Stats) float64 { return float64(s.Batches) }),
	counter("writes_total", "Records written.", func(s *store.Stats) float64 { return float64(s.Writes) }),
	counter("compaction_passes_total", "Passes of compaction.", func(s *store.Stats) float64 { return float64(s.Passes) }),
	counter("decoded_total", "Reads that had to decode an allocation.", func(s *store.Stats) float64 { return float64(s.Misses) }),
}

// Describe implements prometheus.Collector.
func (c storeCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c storeCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.s.Stats()
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(&stats))
	}
}
