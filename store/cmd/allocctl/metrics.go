package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"allocstore/store"
)

// metrics are what Prometheus is told.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	inFlight prometheus.Gauge
}

func newMetrics(s *store.Store) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "allocstore_http_requests_total", Help: "Requests that were answered."}, []string{"code", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "allocstore_http_requests_in_flight", Help: "Requests that are not answered yet, blocked ones included."}),
	}
	m.registry.MustRegister(m.requests, m.inFlight, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), storeCollector{s})
	return m
}

// count has the requests to h counted.
func (m *metrics) count(h http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, promhttp.InstrumentHandlerCounter(m.requests, h))
}

// A storeCollector tells a store's Stats.
type storeCollector struct{ s *store.Store }

// A figure is one field of Stats.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*store.Stats) float64
}

func newFigure(name, help string, kind prometheus.ValueType, of func(*store.Stats) float64) figure {
	return figure{prometheus.NewDesc("allocstore_"+name, help, nil, nil), kind, of}
}

var figures = []figure{
	newFigure("last_index", "Index of the last write.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.LastIndex) }),
	newFigure("floor_index", "Index up to which changes may have been removed.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Floor) }),
	newFigure("allocations", "Allocations.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Allocations) }),
	newFigure("tombstones", "Deleted IDs that are remembered.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Tombstones) }),
	newFigure("jobs", "Distinct jobs.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Jobs) }),
	newFigure("waiters", "Blocked readers.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Waiters) }),
	newFigure("readers", "Open snapshots, lists and feed readers.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Readers) }),
	newFigure("file_bytes", "Size of the file.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.FileBytes) }),
	newFigure("live_bytes", "Bytes of records that are needed, and of jobs.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.LiveBytes) }),
	newFigure("dead_bytes", "Bytes of superseded records.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.DeadBytes) }),
	newFigure("resident_bytes", "About how much memory decoded allocations take.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.ResidentBytes) }),
	newFigure("damaged", "Records and jobs in the file that are damaged.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Damaged) }),
	newFigure("quarantined_allocations", "Allocations that cannot be read for that.", prometheus.GaugeValue, func(s *store.Stats) float64 { return float64(s.Quarantined) }),
	newFigure("commits_total", "Transactions since the store was opened.", prometheus.CounterValue, func(s *store.Stats) float64 { return float64(s.Commits) }),
	newFigure("batches_total", "Batches that changed something.", prometheus.CounterValue, func(s *store.Stats) float64 { return float64(s.Batches) }),
	newFigure("writes_total", "Records written.", prometheus.CounterValue, func(s *store.Stats) float64 { return float64(s.Writes) }),
	newFigure("compaction_passes_total", "Passes of compaction.", prometheus.CounterValue, func(s *store.Stats) float64 { return float64(s.Passes) }),
	newFigure("decoded_total", "Reads that had to decode an allocation.", prometheus.CounterValue, func(s *store.Stats) float64 { return float64(s.Misses) }),
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
