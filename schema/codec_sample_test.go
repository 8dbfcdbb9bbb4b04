package schema

import "time"

// documented is testdata/allocation.json as a literal.
func documented() *Allocation {
	return &Allocation{
		ID:            "203266e5-e0d6-9486-5e05-397ed2b184af",
		EvalID:        "e68125ed-3fba-fb46-46cc-291addbc4455",
		Name:          "example.cache[0]",
		NodeID:        "e02b6169-83bd-9df6-69bd-832765f333eb",
		JobID:         "example",
		ModifyIndex:   9,
		CreateIndex:   7,
		TaskGroup:     "cache",
		Resources:     &Resources{Networks: []NetworkResource{{DynamicPorts: documentedPorts(), MBits: 10}}, MemoryMB: 256, CPU: 500},
		Job:           documentedJob(),
		TaskResources: map[string]*Resources{"redis": documentedResources()},
		Metrics: &AllocMetric{
			AllocationTime: 1590406,
			NodesEvaluated: 1,
			Scores:         map[string]float64{"e02b6169-83bd-9df6-69bd-832765f333eb.binpack": 6.133651487695705},
		},
		DesiredStatus: DesiredStatusRun,
		ClientStatus:  ClientStatusRunning,
		TaskStates: map[string]*TaskState{"redis": {
			State:  TaskStateRunning,
			Events: ringOf([]TaskEvent{{Type: TaskStarted, Time: 1447806038427841000}}),
		}},
	}
}

func documentedPorts() []Port { return []Port{{Value: 20802, Label: "db"}} }

func documentedResources() *Resources {
	return &Resources{
		Networks: []NetworkResource{{DynamicPorts: documentedPorts(), IP: "127.0.0.1", Device: "lo"}},
		MemoryMB: 256,
		CPU:      500,
	}
}

func documentedJob() *Job {
	return &Job{
		ModifyIndex: 5,
		CreateIndex: 5,
		Update:      &UpdateStrategy{MaxParallel: 1, Stagger: 10 * time.Second},
		Region:      "global",
		ID:          "example",
		Name:        "example",
		Type:        "service",
		Priority:    50,
		Datacenters: []string{"dc1"},
		Constraints: []Constraint{{Operand: "=", RTarget: "linux", LTarget: "${attr.kernel.name}"}},
		TaskGroups: []TaskGroup{{
			RestartPolicy: &RestartPolicy{Delay: 25 * time.Second, Interval: 5 * time.Minute, Attempts: 10},
			Count:         1,
			Name:          "cache",
			Tasks: []Task{{
				Resources: documentedResources(),
				Services: []Service{{
					Checks:    []ServiceCheck{{Timeout: 2 * time.Second, Interval: 10 * time.Second, Type: "tcp", Name: "alive"}},
					PortLabel: "db",
					Tags:      []string{"global", "cache"},
					Name:      "example-cache-redis",
				}},
				Config: map[string]any{
					"port_map": []any{map[string]any{"db": int64(6379)}},
					"image":    "redis:latest",
				},
				Driver: "docker",
				Name:   "redis",
			}},
		}},
	}
}

// withEvents fills the ring of a's task up to n events, as of a task that crashes again and again.
func withEvents(a *Allocation, n int) *Allocation {
	s := a.TaskStates["redis"]
	at := int64(1447806038427841000)
	for s.Events.Len() < n {
		at += int64(17 * time.Second)
		s.Events.Append(TaskEvent{Type: TaskTerminated, Time: at, ExitCode: 137})
	}
	return a
}
