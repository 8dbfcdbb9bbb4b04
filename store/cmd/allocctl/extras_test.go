package main

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestExtras counts the extras of types like those of package schema: at every level, by path. Nothing else
// counts, whatever its name.
func TestExtras(t *testing.T) {
	t.Parallel()
	type raw = map[string]json.RawMessage
	type task struct {
		Config map[string]any
		Extra  raw
	}
	type group struct {
		Tasks []*task
		Extra raw
	}
	type report struct {
		Events schema.EventRing
		Extra  raw
	}
	type allocation struct {
		Job struct {
			TaskGroups []group
			Meta       map[string]string
			Extra      raw
		}
		Parent      *allocation
		TaskStates  map[string]*report
		Labels      raw
		Extra       raw
		ClientExtra raw
	}
	one := raw{"One": nil}
	a := &allocation{
		TaskStates:  map[string]*report{"web": {Extra: one}, "db": {Extra: one}, "none": nil},
		Labels:      one,
		Extra:       raw{"Namespace": nil, "CreateTime": nil},
		ClientExtra: raw{"NetworkStatus": nil},
	}
	a.Job.Meta = map[string]string{"Extra": ""}
	a.Job.Extra = one
	a.Job.TaskGroups = []group{{Extra: one}, {Tasks: []*task{{Extra: one, Config: map[string]any{"Extra": one}}}}}
	got := make(extras)
	got.add("", reflect.ValueOf(a))
	require.Equal(t, extras{
		"Namespace": 1, "CreateTime": 1, "NetworkStatus": 1, "Job.One": 1, "Job.TaskGroups.One": 1,
		"Job.TaskGroups.Tasks.One": 1, "TaskStates.One": 2,
	}, got)
	require.Equal(t, "TaskStates.One 2, CreateTime 1, Job.One 1, Job.TaskGroups.One 1, Job.TaskGroups.Tasks.One 1, Namespace 1, NetworkStatus 1", got.String())
}
