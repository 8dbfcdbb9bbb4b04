package schema

import (
	"maps"
	"slices"
)

// Clone returns a deep copy of a. The two share no memory that can be changed. An allocation
// from the store must be cloned before it is changed. The clone of nil is nil.
func (a *Allocation) Clone() *Allocation { return clonePointer(a, (*Allocation).unshare) }

// Clone returns a deep copy of j. The clone of nil is nil.
func (j *Job) Clone() *Job { return clonePointer(j, (*Job).unshare) }

// The methods named unshare replace the references in a copied struct by clones.

func (a *Allocation) unshare() {
	a.Resources = cloneResources(a.Resources)
	a.Job = a.Job.Clone()
	a.TaskResources = cloneMap(a.TaskResources, cloneResources)
	a.Metrics = clonePointer(a.Metrics, (*AllocMetric).unshare)
	a.TaskStates = cloneMap(a.TaskStates, shallow[TaskState]) // a ring is immutable inside
}

func (j *Job) unshare() {
	j.Meta = maps.Clone(j.Meta)
	j.Update = shallow(j.Update)
	j.TaskGroups = cloneList(j.TaskGroups, (*TaskGroup).unshare)
	j.Datacenters = slices.Clone(j.Datacenters)
	j.Constraints = slices.Clone(j.Constraints)
}

func (g *TaskGroup) unshare() {
	g.Meta = maps.Clone(g.Meta)
	g.Tasks = cloneList(g.Tasks, (*Task).unshare)
	g.RestartPolicy = shallow(g.RestartPolicy)
	g.Constraints = slices.Clone(g.Constraints)
}

func (t *Task) unshare() {
	t.Meta = maps.Clone(t.Meta)
	t.Resources = cloneResources(t.Resources)
	t.Constraints = slices.Clone(t.Constraints)
	t.Services = cloneList(t.Services, (*Service).unshare)
	t.Env = maps.Clone(t.Env)
	t.Config = cloneMap(t.Config, cloneValue)
}

func (s *Service) unshare() {
	s.Checks = slices.Clone(s.Checks)
	s.Tags = slices.Clone(s.Tags)
}

func cloneResources(r *Resources) *Resources { return clonePointer(r, (*Resources).unshare) }

func (r *Resources) unshare() { r.Networks = cloneList(r.Networks, (*NetworkResource).unshare) }

func (n *NetworkResource) unshare() {
	n.DynamicPorts = slices.Clone(n.DynamicPorts)
	n.ReservedPorts = slices.Clone(n.ReservedPorts)
}

func (m *AllocMetric) unshare() {
	m.ClassFiltered = maps.Clone(m.ClassFiltered)
	m.ConstraintFiltered = maps.Clone(m.ConstraintFiltered)
	m.ClassExhausted = maps.Clone(m.ClassExhausted)
	m.DimensionExhausted = maps.Clone(m.DimensionExhausted)
	m.Scores = maps.Clone(m.Scores)
}

// cloneValue copies a free-form value, of any type that is valid on input.
func cloneValue(v any) any {
	switch v := v.(type) {
	case []any:
		return cloneList(v, func(v *any) { *v = cloneValue(*v) })
	case map[string]any:
		return cloneMap(v, cloneValue)
	case []string:
		return slices.Clone(v)
	case []int:
		return slices.Clone(v)
	case map[string]string:
		return maps.Clone(v)
	case []map[string]any:
		return cloneList(v, func(m *map[string]any) { *m = cloneMap(*m, cloneValue) })
	case []map[string]string:
		return cloneList(v, func(m *map[string]string) { *m = maps.Clone(*m) })
	}
	return v
}

func shallow[T any](p *T) *T { return clonePointer(p, func(*T) {}) }

// clonePointer copies a struct and, by unshare, its references. Nil stays nil.
func clonePointer[T any](p *T, unshare func(*T)) *T {
	if p == nil {
		return nil
	}
	c := *p
	unshare(&c)
	return &c
}

// cloneList copies a list and, by unshare, the references of its elements. Nil stays nil.
func cloneList[T any](list []T, unshare func(*T)) []T {
	c := slices.Clone(list)
	for i := range c {
		unshare(&c[i])
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
