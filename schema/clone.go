package schema

import (
	"maps"
	"slices"
)

// Clone returns a deep copy of a. The two share no memory that can be changed. An allocation
// from the store must be cloned before it is changed. The clone of nil is nil.
func (a *Allocation) Clone() *Allocation {
	c := shallow(a)
	if c != nil {
		c.Resources = a.Resources.clone()
		c.Job = a.Job.Clone()
		c.TaskResources = cloneMap(a.TaskResources, (*Resources).clone)
		c.Metrics = a.Metrics.clone()
		c.TaskStates = cloneMap(a.TaskStates, shallow[TaskState]) // a ring is immutable inside
	}
	return c
}

// Clone returns a deep copy of j. The clone of nil is nil.
func (j *Job) Clone() *Job {
	c := shallow(j)
	if c != nil {
		c.Meta = maps.Clone(j.Meta)
		c.Update = shallow(j.Update)
		c.TaskGroups = cloneList(j.TaskGroups, TaskGroup.clone)
		c.Datacenters = slices.Clone(j.Datacenters)
		c.Constraints = slices.Clone(j.Constraints)
	}
	return c
}

func (g TaskGroup) clone() TaskGroup {
	g.Meta = maps.Clone(g.Meta)
	g.Tasks = cloneList(g.Tasks, Task.clone)
	g.RestartPolicy = shallow(g.RestartPolicy)
	g.Constraints = slices.Clone(g.Constraints)
	return g
}

func (t Task) clone() Task {
	t.Meta = maps.Clone(t.Meta)
	t.Resources = t.Resources.clone()
	t.Constraints = slices.Clone(t.Constraints)
	t.Services = cloneList(t.Services, Service.clone)
	t.Env = maps.Clone(t.Env)
	t.Config = cloneMap(t.Config, cloneValue)
	return t
}

func (s Service) clone() Service {
	s.Checks = slices.Clone(s.Checks)
	s.Tags = slices.Clone(s.Tags)
	return s
}

func (r *Resources) clone() *Resources {
	c := shallow(r)
	if c != nil {
		c.Networks = cloneList(r.Networks, NetworkResource.clone)
	}
	return c
}

func (n NetworkResource) clone() NetworkResource {
	n.DynamicPorts = slices.Clone(n.DynamicPorts)
	n.ReservedPorts = slices.Clone(n.ReservedPorts)
	return n
}

func (m *AllocMetric) clone() *AllocMetric {
	c := shallow(m)
	if c != nil {
		c.ClassFiltered = maps.Clone(m.ClassFiltered)
		c.ConstraintFiltered = maps.Clone(m.ConstraintFiltered)
		c.ClassExhausted = maps.Clone(m.ClassExhausted)
		c.DimensionExhausted = maps.Clone(m.DimensionExhausted)
		c.Scores = maps.Clone(m.Scores)
	}
	return c
}

// cloneValue copies a free-form value, of any type that is valid on input.
func cloneValue(v any) any {
	switch v := v.(type) {
	case []any:
		return cloneList(v, cloneValue)
	case map[string]any:
		return cloneMap(v, cloneValue)
	case []string:
		return slices.Clone(v)
	case []int:
		return slices.Clone(v)
	case map[string]string:
		return maps.Clone(v)
	case []map[string]any:
		return cloneList(v, func(m map[string]any) map[string]any { return cloneMap(m, cloneValue) })
	case []map[string]string:
		return cloneList(v, maps.Clone[map[string]string])
	}
	return v
}

func shallow[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// cloneList copies a list and, by clone, its elements. Nil stays nil.
func cloneList[T any](list []T, clone func(T) T) []T {
	c := slices.Clone(list)
	for i, v := range c {
		c[i] = clone(v)
	}
	return c
}

// cloneMap copies a map and, by clone, its values. Nil stays nil.
func cloneMap[V any](m map[string]V, clone func(V) V) map[string]V {
	c := maps.Clone(m)
	for key, v := range c {
		c[key] = clone(v)
	}
	return c
}
