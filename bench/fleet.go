package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"allocstore/schema"
)

const (
	allocsPerJob = 1000
	nodeCount    = 5000

	// taskName is the one task of the documented allocation.
	taskName = "redis"
)

// A fleet is the data of the real shape: the documented allocation again and
// again, each with an ID, a node and a name of its own, 1,000 to a job. It is
// also what the run knows of each allocation, to check the store by.
type fleet struct {
	config
	template *schema.Allocation
	jobs     []*schema.Job
	nodes    []string
	ids      []string

	// What the store has answered, by allocation.
	created, first, last []uint64 // index of the insert, of the first and of the last event
	deleted              []uint64 // index of the deletion, or 0
}

// newFleet reads the documented allocation and makes up the rest.
func newFleet(c config) (*fleet, error) {
	text, err := os.ReadFile(c.sample)
	if err != nil {
		return nil, fmt.Errorf("the documented allocation (run from the module's root, or say -sample): %w", err)
	}
	template, err := schema.DecodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.sample, err)
	}
	if template.Job == nil || template.Metrics == nil {
		return nil, fmt.Errorf("%s: no Job or no Metrics", c.sample)
	}
	f := &fleet{config: c, template: template}
	r := rand.New(rand.NewPCG(c.seed, 0))
	for range nodeCount {
		f.nodes = append(f.nodes, randomID(r))
	}
	for i := range c.allocs {
		if i%allocsPerJob == 0 {
			f.jobs = append(f.jobs, f.newJob(i/allocsPerJob))
		}
		f.ids = append(f.ids, randomID(r))
	}
	for _, of := range []*[]uint64{&f.created, &f.first, &f.last, &f.deleted} {
		*of = make([]uint64, c.allocs)
	}
	return f, nil
}

func randomID(r *rand.Rand) string {
	var id schema.ID
	binary.LittleEndian.PutUint64(id[:], r.Uint64())
	binary.LittleEndian.PutUint64(id[8:], r.Uint64())
	return id.String()
}

func (f *fleet) newJob(n int) *schema.Job {
	job := f.template.Job.Clone()
	job.ID = fmt.Sprintf("%s-%d", job.ID, n)
	job.Name = job.ID
	return job
}

// alloc returns allocation i as the scheduler places it: the documented one, not
// started yet.
func (f *fleet) alloc(i int) *schema.Allocation {
	a := f.template.Clone()
	a.ID, a.NodeID = f.ids[i], f.nodes[i%len(f.nodes)]
	a.Job = f.jobs[i/allocsPerJob]
	a.JobID = a.Job.ID
	a.Name = fmt.Sprintf("%s.%s[%d]", a.JobID, a.TaskGroup, i%allocsPerJob)
	a.Metrics.Scores = map[string]float64{a.NodeID + ".binpack": 6.133651487695705}
	a.CreateIndex, a.ModifyIndex = 0, 0
	a.ClientStatus, a.TaskStates = schema.ClientStatusPending, nil
	return a
}

// life is what happens to every task: 14 events, of which the store keeps ten.
var life = []struct {
	state string
	event schema.TaskEvent
}{
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskReceived}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskSetup, Message: "Building Task Directory"}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskDownloadingArtifacts}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskDriverMessage, DriverMessage: "Downloading image redis:latest"}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskTerminated, ExitCode: 137, Signal: 9, Message: "OOM killed"}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskRestarting, RestartReason: "Restart within policy", StartDelay: int64(25 * time.Second)}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskSignaling, TaskSignal: "SIGHUP", TaskSignalReason: "Template re-rendered"}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskRestartSignaled, RestartReason: "User requested restart"}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskTerminated}},
	{schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskRestarting, StartDelay: int64(time.Second)}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted}},
	{schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskDriverMessage, DriverMessage: "Healthy"}},
}

// eventAt is event n in the life of allocation i. Its time is made up, but of
// the size that times have.
func eventAt(i, n int) schema.TaskEvent {
	ev := life[n].event
	ev.Time = 1447806038427841000 + int64(i)*int64(time.Second) + int64(n)*int64(time.Millisecond)
	return ev
}

// update is the client's write after event n of allocation i, where ts is the
// state of the task, which the event is recorded in.
func (f *fleet) update(i, n int, ts *schema.TaskState) *schema.Allocation {
	ts.Record(life[n].state, eventAt(i, n))
	status := schema.ClientStatusPending
	if ts.State == schema.TaskStateRunning {
		status = schema.ClientStatusRunning
	}
	return &schema.Allocation{ID: f.ids[i], ClientStatus: status, TaskStates: map[string]*schema.TaskState{taskName: ts}}
}

// want is allocation i as the store must have it at the end of its life, with the
// events that are kept of it, or nil if it was deleted.
func (f *fleet) want(i int) (*schema.Allocation, []schema.TaskEvent) {
	if f.deleted[i] != 0 {
		return nil, nil
	}
	a := f.alloc(i)
	a.CreateIndex, a.AllocModifyIndex, a.ModifyIndex = f.created[i], f.created[i], f.last[i]
	ts := new(schema.TaskState)
	var events []schema.TaskEvent
	for n := range life {
		upd := f.update(i, n, ts)
		a.ClientStatus, a.TaskStates = upd.ClientStatus, upd.TaskStates
		events = append(events, eventAt(i, n))
	}
	return a, events[len(events)-schema.MaxTaskEvents:]
}
