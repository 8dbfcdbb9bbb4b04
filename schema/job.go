package schema

import (
	"encoding/json"
	"time"
)

// Job is a user's request to run tasks. An allocation has the job as of its placement. The
// store keeps each distinct job once.
//
// All allocations of a Job from the store share it, so it must not be changed; see
// [Allocation.Clone].
type Job struct {
	ModifyIndex       uint64
	CreateIndex       uint64
	StatusDescription string
	Status            string
	Meta              map[string]string
	Update            *UpdateStrategy
	TaskGroups        []TaskGroup
	Region            string
	ID                string
	Name              string
	Type              string // service, batch or system
	Priority          int
	AllAtOnce         bool
	Datacenters       []string
	Constraints       []Constraint
	Extra             map[string]json.RawMessage
}

// UpdateStrategy paces a rolling update.
type UpdateStrategy struct {
	MaxParallel int
	Stagger     time.Duration
	Extra       map[string]json.RawMessage
}

// TaskGroup is a set of tasks that are placed together on one node.
type TaskGroup struct {
	Meta          map[string]string
	Tasks         []Task
	RestartPolicy *RestartPolicy
	Constraints   []Constraint
	Count         int
	Name          string
	Extra         map[string]json.RawMessage
}

// RestartPolicy says how often a task may be restarted within an interval.
type RestartPolicy struct {
	Delay    time.Duration
	Interval time.Duration
	Attempts int
	Extra    map[string]json.RawMessage
}

// Task is one process or container of a TaskGroup.
type Task struct {
	Meta        map[string]string
	Resources   *Resources
	Constraints []Constraint
	Services    []Service
	Env         map[string]string
	// Config is the driver's free-form configuration. Its values are nil, bool, string,
	// int64, uint64 (above the range of int64 only), float64, json.Number (for numbers that
	// none of these keeps), []any and map[string]any. On input, the other types in
	// schema/codec_value.go are converted to these.
	Config map[string]any
	Driver string
	Name   string
	Extra  map[string]json.RawMessage
}

// Service is a service that a task registers, with its health checks.
//
// Id, and Http of its checks, are spelt as in the endpoint's documentation.
type Service struct {
	Checks    []ServiceCheck
	PortLabel string
	Tags      []string
	Name      string
	Id        string
	Extra     map[string]json.RawMessage
}

// ServiceCheck is a health check of a Service.
type ServiceCheck struct {
	Timeout  time.Duration
	Interval time.Duration
	Protocol string
	Http     string
	Script   string
	Type     string
	Name     string
	Id       string
	Extra    map[string]json.RawMessage
}

// Constraint restricts the nodes that a job, group or task may be placed on.
type Constraint struct {
	Operand string
	RTarget string
	LTarget string
	Extra   map[string]json.RawMessage
}
