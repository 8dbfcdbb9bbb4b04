package fleet

import (
	"encoding/binary"
	"fmt"
	"os"

	"allocstore/schema"
)

const (
	// PerJob is the number of allocations of a job; the last job may have fewer.
	PerJob = 1000

	// Nodes is the number of nodes that the allocations are spread over, unless Spread says otherwise.
	Nodes = 5000
)

// A Fleet generates n allocations. Its methods are safe for concurrent use.
type Fleet struct {
	template *schema.Allocation // without its job
	task     string
	jobs     []*schema.Job
	seed     uint64
	n        int
	nodes    int
}

// New returns a fleet of n allocations like the one in the file sample.
func New(sample string, n int, seed uint64) (*Fleet, error) {
	text, err := os.ReadFile(sample)
	if err != nil {
		return nil, fmt.Errorf("the documented allocation (run from the module's root, or say -sample): %w", err)
	}
	a, err := schema.DecodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sample, err)
	}
	if a.Job == nil || a.Metrics == nil || len(a.TaskStates) != 1 {
		return nil, fmt.Errorf("%s: want a Job, Metrics and one task's state", sample)
	}
	f := &Fleet{template: a, seed: seed, n: n, nodes: Nodes}
	for task := range a.TaskStates {
		f.task = task
	}
	for k := range (n + PerJob - 1) / PerJob {
		job := a.Job.Clone()
		job.ID = fmt.Sprintf("%s-%d", job.ID, k)
		job.Name = job.ID
		f.jobs = append(f.jobs, job)
	}
	a.Job = nil
	return f, nil
}

// Len returns the number of allocations.
func (f *Fleet) Len() int { return f.n }

// Jobs returns the number of jobs.
func (f *Fleet) Jobs() int { return len(f.jobs) }

// JobID returns the ID of job k.
func (f *Fleet) JobID(k int) string { return f.jobs[k].ID }

// JobRange returns the allocations of job k: from (inclusive) up to to (exclusive).
func (f *Fleet) JobRange(k int) (from, to int) { return k * PerJob, min((k+1)*PerJob, f.n) }

// ID returns the ID of allocation i. All IDs are distinct.
func (f *Fleet) ID(i int) string { return unique(f.seed, uint64(i)) }

// Spread spreads the allocations over another number of nodes: allocation i is on node i modulo nodes. It
// comes before all other calls.
func (f *Fleet) Spread(nodes int) { f.nodes = nodes }

// NodeID returns the ID of a node. All IDs are distinct.
func (f *Fleet) NodeID(node int) string { return unique(^f.seed, uint64(node)) }

// unique returns a UUID that looks random. Different n give different UUIDs, since mix is a bijection.
func unique(seed, n uint64) string {
	var id schema.ID
	binary.BigEndian.PutUint64(id[:], mix(seed+n))
	binary.BigEndian.PutUint64(id[8:], mix(^(seed + n)))
	return id.String()
}

// mix is the final step of the SplitMix64 generator.
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Alloc returns allocation i as the scheduler places it, before its task starts. The
// caller owns it, except for the job, which is shared and read-only.
func (f *Fleet) Alloc(i int) *schema.Allocation {
	a := f.template.Clone()
	a.ID, a.NodeID = f.ID(i), f.NodeID(i%f.nodes)
	a.Job = f.jobs[i/PerJob]
	a.JobID = a.Job.ID
	a.Name = fmt.Sprintf("%s.%s[%d]", a.JobID, a.TaskGroup, i%PerJob)
	a.Metrics.Scores = map[string]float64{a.NodeID + ".binpack": 6.133651487695705}
	a.CreateIndex, a.ModifyIndex = 0, 0
	a.ClientStatus, a.TaskStates = schema.ClientStatusPending, nil
	return a
}
