package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"allocstore/schema"
)

// The data describe a cluster of nodes and jobs. One evaluation places the thousand
// allocations of a job, and every allocation has the shape of the documented one.
const (
	seed     = 20151117
	perJob   = 1000
	nodes    = 5000
	taskName = "redis"

	// epoch is the time of the documented event. All times are later.
	epoch = 1447806038427841000
)

// data are n allocations. Job k and its allocations depend only on the seed and on k,
// so more jobs can always be generated.
type data struct {
	n     int
	ids   []string // of allocation i, which belongs to job i/perJob
	nodes []string
}

func newData(n int) *data {
	rng := rand.New(rand.NewPCG(seed, 0))
	d := &data{n: n, ids: make([]string, 0, n)}
	for range nodes {
		d.nodes = append(d.nodes, randomID(rng))
	}
	for k := range d.jobs() {
		rng := d.rng(k)
		for range d.size(k) {
			d.ids = append(d.ids, randomID(rng))
		}
	}
	return d
}

// randomID returns a random UUID as text.
func randomID(rng *rand.Rand) string {
	var id schema.ID
	binary.LittleEndian.PutUint64(id[:8], rng.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rng.Uint64())
	return id.String()
}

// rng returns the random numbers of job k. The first ones are the IDs.
func (d *data) rng(k int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(k)+1)) }

// jobs returns the number of jobs of the n allocations.
func (d *data) jobs() int { return (d.n + perJob - 1) / perJob }

// size returns the number of allocations of job k.
func (d *data) size(k int) int {
	if left := d.n - k*perJob; left > 0 && left < perJob {
		return left
	}
	return perJob
}

// batch returns the allocations of job k; k may exceed the jobs of the n allocations.
// Batches share only the nodes.
func (d *data) batch(k int) []*schema.Allocation {
	rng := d.rng(k)
	batch := make([]*schema.Allocation, d.size(k))
	for i := range batch {
		batch[i] = &schema.Allocation{ID: randomID(rng)}
	}
	job := newJob(k)
	eval := randomID(rng)
	for i, a := range batch {
		d.fill(a, job, rng)
		a.EvalID = eval
		a.Name = fmt.Sprintf("%s.cache[%d]", job.ID, i)
	}
	return batch
}

// load places all n allocations, job by job.
func (d *data) load(p placer) error {
	for k := range d.jobs() {
		if err := p.place(d.batch(k)); err != nil {
			return fmt.Errorf("load job %d: %w", k, err)
		}
	}
	return nil
}

// fill gives a the content of the documented allocation, on a random node.
func (d *data) fill(a *schema.Allocation, job *schema.Job, rng *rand.Rand) {
	port := 20000 + rng.IntN(40000)
	a.NodeID = d.nodes[rng.IntN(len(d.nodes))]
	a.JobID, a.Job = job.ID, job
	a.TaskGroup = "cache"
	a.Resources = &schema.Resources{
		Networks: []schema.NetworkResource{{DynamicPorts: []schema.Port{{Value: port, Label: "db"}}, MBits: 10}},
		MemoryMB: 256,
		CPU:      500,
	}
	a.TaskResources = map[string]*schema.Resources{taskName: taskResources(port)}
	a.Metrics = &schema.AllocMetric{
		AllocationTime: time.Duration(1_000_000 + rng.IntN(1_000_000)),
		NodesEvaluated: 1,
		Scores:         map[string]float64{a.NodeID + ".binpack": 18 * rng.Float64()},
	}
	a.DesiredStatus = schema.DesiredStatusRun
	a.ClientStatus = schema.ClientStatusRunning
	a.TaskStates = map[string]*schema.TaskState{taskName: {State: schema.TaskStateRunning}}
	a.TaskStates[taskName].Events.Append(schema.TaskEvent{Type: schema.TaskStarted, Time: epoch})
}

func taskResources(port int) *schema.Resources {
	return &schema.Resources{
		Networks: []schema.NetworkResource{{DynamicPorts: []schema.Port{{Value: port, Label: "db"}}, IP: "127.0.0.1", Device: "lo"}},
		MemoryMB: 256,
		CPU:      500,
	}
}

// newJob returns the documented job with another name.
func newJob(k int) *schema.Job {
	name := fmt.Sprintf("example-%d", k)
	return &schema.Job{
		ModifyIndex: 5, CreateIndex: 5,
		Update: &schema.UpdateStrategy{MaxParallel: 1, Stagger: 10 * time.Second},
		Region: "global", ID: name, Name: name, Type: "service", Priority: 50,
		Datacenters: []string{"dc1"},
		Constraints: []schema.Constraint{{Operand: "=", RTarget: "linux", LTarget: "${attr.kernel.name}"}},
		TaskGroups: []schema.TaskGroup{{
			RestartPolicy: &schema.RestartPolicy{Delay: 25 * time.Second, Interval: 5 * time.Minute, Attempts: 10},
			Count:         perJob,
			Name:          "cache",
			Tasks:         []schema.Task{newTask()},
		}},
	}
}

func newTask() schema.Task {
	return schema.Task{
		Resources: taskResources(20802),
		Services: []schema.Service{{
			Checks:    []schema.ServiceCheck{{Timeout: 2 * time.Second, Interval: 10 * time.Second, Type: "tcp", Name: "alive"}},
			PortLabel: "db",
			Tags:      []string{"global", "cache"},
			Name:      "example-cache-redis",
		}},
		Config: map[string]any{
			"port_map": []any{map[string]any{"db": int64(6379)}},
			"image":    "redis:latest",
		},
		Driver: "docker",
		Name:   taskName,
	}
}

// clientUpdate returns a client's update of a running allocation: its status, and the
// task state with the given number of events. The last event has the time stamp.
func clientUpdate(id string, stamp int64, events int) *schema.Allocation {
	ts := &schema.TaskState{State: schema.TaskStatePending}
	for i := range events {
		at := stamp - int64(events-1-i)
		switch {
		case i == events-1:
			ts.Record(schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted, Time: at})
		case i%3 == 0:
			ts.Record("", schema.TaskEvent{Type: schema.TaskReceived, Time: at})
		case i%3 == 1:
			ts.Record("", schema.TaskEvent{Type: schema.TaskSetup, Time: at, Message: "Building Task Directory"})
		default:
			ts.Record("", schema.TaskEvent{Type: schema.TaskTerminated, Time: at, ExitCode: 137})
		}
	}
	return &schema.Allocation{
		ID:           id,
		ClientStatus: schema.ClientStatusRunning,
		TaskStates:   map[string]*schema.TaskState{taskName: ts},
	}
}

// stampOf returns the time of the last event of a's task, which identifies the update.
func stampOf(a *schema.Allocation) (stamp int64) {
	if ts := a.TaskStates[taskName]; ts != nil {
		for ev := range ts.Events.All() {
			stamp = ev.Time
		}
	}
	return stamp
}

// wholeOf encodes a without its job, as a store with one value per allocation keeps it.
func wholeOf(a *schema.Allocation) []byte {
	bare := *a
	bare.Job = nil
	return codec.AppendAllocation(nil, &bare)
}

// copyOf returns a copy of a that shares only the job. It decodes the copy from one
// piece of memory, the leanest form, as a scheduler does when it reads a log.
func copyOf(a *schema.Allocation) (*schema.Allocation, error) {
	own, err := wholeIn(wholeOf(a))
	if err != nil {
		return nil, err
	}
	own.Job = a.Job
	return own, nil
}

// eachCopy calls do with copies of the allocations of each job.
func (d *data) eachCopy(do func(rows []*schema.Allocation) error) error {
	for k := range d.jobs() {
		rows := d.batch(k)
		for i, a := range rows {
			var err error
			if rows[i], err = copyOf(a); err != nil {
				return err
			}
		}
		if err := do(rows); err != nil {
			return err
		}
	}
	return nil
}

// picker fills a chunk with IDs to look up and returns their number, 0 at the end.
type picker func(rng *rand.Rand, chunk []string) int

// random picks random IDs without end.
func (d *data) random() picker {
	return func(rng *rand.Rand, chunk []string) int {
		var text strings.Builder
		text.Grow(36 * len(chunk))
		for range chunk {
			text.WriteString(d.ids[rng.IntN(d.n)])
		}
		return cut(text.String(), chunk)
	}
}

// cut fills the chunk with the IDs in text. They must not share memory with a map's
// keys, since equal strings at one address compare faster.
func cut(text string, chunk []string) int {
	n := len(text) / 36
	for i := range n {
		chunk[i] = text[36*i : 36*(i+1)]
	}
	return n
}
