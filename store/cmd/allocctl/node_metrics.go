package main

import (
	"strconv"
	"time"

	"github.com/hashicorp/go-metrics"
	sink "github.com/hashicorp/go-metrics/prometheus"
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"allocstore/store/raftstore"
)

// A nodeCollector collects the state of a node.
type nodeCollector struct{ n *raftstore.Node }

// Describe implements prometheus.Collector.
func (c nodeCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements prometheus.Collector.
func (c nodeCollector) Collect(to chan<- prometheus.Metric) {
	add := func(name, help string, value float64) {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("allocstore_raft_"+name, help, nil, nil), prometheus.GaugeValue, value)
	}
	stats := c.n.Raft().Stats()
	count := func(name, help, key string) {
		if value, err := strconv.ParseUint(stats[key], 10, 64); err == nil {
			add(name, help, float64(value))
		}
	}
	state := prometheus.NewDesc("allocstore_raft_state", "1 for the state of this node.", []string{"state"}, nil)
	for s := raft.Follower; s <= raft.Shutdown; s++ {
		to <- prometheus.MustNewConstMetric(state, prometheus.GaugeValue, flag(stats["state"] == s.String()), s.String())
	}
	count("term", "The term.", "term")
	count("commit_index", "The last entry that is known to be committed.", "commit_index")
	count("log_last_index", "The last entry of the log.", "last_log_index")
	count("snapshot_index", "The entry up to which the log may be cut.", "last_snapshot_index")
	count("fsm_pending", "Entries that wait for the store, in batches.", "fsm_pending")
	count("peers", "Other voters.", "num_peers")
	add("applied_index", "The last entry that the store shows.", float64(c.n.Store().AppliedIndex()))
	leader, _ := c.n.Raft().LeaderWithID()
	add("known_leader", "1 if a leader is known.", flag(leader != ""))
	if last := c.n.Raft().LastContact(); stats["state"] == raft.Leader.String() {
		add("last_contact_seconds", "Time since a leader was last heard of.", 0)
	} else if !last.IsZero() {
		add("last_contact_seconds", "Time since a leader was last heard of.", time.Since(last).Seconds())
	}
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// raftTimings has raft's own latencies and counts in the registry, such as raft_commitTime in milliseconds. Raft
// writes them to one place for the whole process.
func raftTimings(r prometheus.Registerer) error {
	to, err := sink.NewPrometheusSinkFrom(sink.PrometheusOpts{Registerer: r})
	if err != nil {
		return err
	}
	c := metrics.DefaultConfig("allocstore")
	c.ServiceName, c.EnableHostname, c.EnableRuntimeMetrics = "", false, false
	_, err = metrics.NewGlobal(c, to)
	return err
}
