package storetest

import (
	"fmt"
	"time"

	"allocstore/schema"
)

// An Option changes an allocation that Mock is about to return. Any function of that type is one:
//
//	storetest.Mock(func(a *schema.Allocation) { a.EvalID = "eval2" })
type Option func(*schema.Allocation)

// Mock returns an allocation as a scheduler places it: pending, on node1, of the service job example, whose
// group cache has the task redis, with resources and metrics. Only the ID, which is random, differs between
// two calls; see [WithID]. The caller owns the result. The options are applied in order.
func Mock(options ...Option) *schema.Allocation {
	resources := func() *schema.Resources {
		return &schema.Resources{CPU: 500, MemoryMB: 256, Networks: []schema.NetworkResource{{
			Device: "eth0", IP: "192.0.2.1", MBits: 10, DynamicPorts: []schema.Port{{Label: "db", Value: 20802}},
		}}}
	}
	a := &schema.Allocation{
		ID: schema.NewID(), EvalID: "eval1", NodeID: "node1", TaskGroup: "cache",
		Job: &schema.Job{
			Region: "global", Type: "service", Priority: 50, Datacenters: []string{"dc1"},
			TaskGroups: []schema.TaskGroup{{
				Name: "cache", Count: 1,
				RestartPolicy: &schema.RestartPolicy{Attempts: 10, Interval: 5 * time.Minute, Delay: 25 * time.Second},
				Tasks: []schema.Task{{
					Name: "redis", Driver: "docker", Resources: resources(),
					Config: map[string]any{"image": "redis:latest"},
				}},
			}},
		},
		Resources:     resources(),
		TaskResources: map[string]*schema.Resources{"redis": resources()},
		Metrics:       &schema.AllocMetric{NodesEvaluated: 1, Scores: map[string]float64{"node1.binpack": 6.1}},
		DesiredStatus: schema.DesiredStatusRun,
		ClientStatus:  schema.ClientStatusPending,
	}
	OfJob("example")(a)
	for _, option := range options {
		option(a)
	}
	return a
}

// ID returns the n-th of a series of IDs that is the same in each run of a test.
func ID(n uint32) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// WithID sets the ID.
func WithID(id string) Option {
	return func(a *schema.Allocation) { a.ID = id }
}

// OnNode sets the node.
func OnNode(nodeID string) Option {
	return func(a *schema.Allocation) { a.NodeID = nodeID }
}

// OfJob sets the ID and the name of the job, and the name of the allocation.
func OfJob(jobID string) Option {
	return func(a *schema.Allocation) {
		a.JobID, a.Job.ID, a.Job.Name = jobID, jobID, jobID
		a.Name = jobID + "." + a.TaskGroup + "[0]"
	}
}

// MockTime is when the tasks of [Running] were received: 2015-11-18 00:20:38.427841 UTC, in nanoseconds
// since 1970. Each later event is a second after the one before it.
const MockTime = 1447806038427841000

// Running is an Option: the client has started each task of the allocation's group.
func Running(a *schema.Allocation) {
	a.ClientStatus = schema.ClientStatusRunning
	record(a, schema.TaskStatePending, schema.TaskEvent{Type: schema.TaskReceived})
	record(a, "", schema.TaskEvent{Type: schema.TaskSetup, Message: "Building Task Directory"})
	record(a, schema.TaskStateRunning, schema.TaskEvent{Type: schema.TaskStarted})
}

// Complete is an Option: each task has run, and has ended with exit code 0.
func Complete(a *schema.Allocation) {
	Running(a)
	a.ClientStatus = schema.ClientStatusComplete
	record(a, schema.TaskStateDead, schema.TaskEvent{Type: schema.TaskTerminated})
}

// Failed is an Option: each task has run, has ended with exit code 1, and is not started again.
func Failed(a *schema.Allocation) {
	Running(a)
	a.ClientStatus = schema.ClientStatusFailed
	record(a, "", schema.TaskEvent{Type: schema.TaskTerminated, ExitCode: 1, Message: "Exit Code: 1"})
	record(a, schema.TaskStateDead, schema.TaskEvent{
		Type: schema.TaskNotRestarting, FailsTask: true, RestartReason: "Exceeded allowed attempts",
	})
}

// record records the next event of each task of the allocation's group.
func record(a *schema.Allocation, state string, ev schema.TaskEvent) {
	for i := range a.Job.TaskGroups {
		group := &a.Job.TaskGroups[i]
		if group.Name != a.TaskGroup {
			continue
		}
		for k := range group.Tasks {
			task := group.Tasks[k].Name
			if a.TaskStates == nil {
				a.TaskStates = make(map[string]*schema.TaskState)
			}
			if a.TaskStates[task] == nil {
				a.TaskStates[task] = new(schema.TaskState)
			}
			ts := a.TaskStates[task]
			ev.Time = MockTime + int64(ts.Events.Len())*int64(time.Second)
			ts.Record(state, ev)
		}
	}
}
