package schema

import (
	"encoding/json"
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
	a.TaskStates = cloneMap(a.TaskStates, func(ts *TaskState) *TaskState { return clonePointer(ts, (*TaskState).unshare) })
	a.Extra, a.ClientExtra = cloneExtra(a.Extra), cloneExtra(a.ClientExtra)
}

func (ts *TaskState) unshare() { ts.Extra = cloneExtra(ts.Extra) } // a ring is immutable inside

// Clone returns a deep copy of ev.
func (ev TaskEvent) Clone() TaskEvent {
	ev.Details, ev.Extra = maps.Clone(ev.Details), cloneExtra(ev.Extra)
	return ev
}

func (j *Job) unshare() {
	j.Meta = maps.Clone(j.Meta)
	j.Update = clonePointer(j.Update, (*UpdateStrategy).unshare)
	j.TaskGroups = cloneList(j.TaskGroups, (*TaskGroup).unshare)
	j.Datacenters = slices.Clone(j.Datacenters)
	j.Constraints = cloneList(j.Constraints, (*Constraint).unshare)
	j.Extra = cloneExtra(j.Extra)
}

func (u *UpdateStrategy) unshare() { u.Extra = cloneExtra(u.Extra) }

func (k *Constraint) unshare() { k.Extra = cloneExtra(k.Extra) }

func (g *TaskGroup) unshare() {
	g.Meta = maps.Clone(g.Meta)
	g.Tasks = cloneList(g.Tasks, (*Task).unshare)
	g.RestartPolicy = clonePointer(g.RestartPolicy, (*RestartPolicy).unshare)
	g.Constraints = cloneList(g.Constraints, (*Constraint).unshare)
	g.Extra = cloneExtra(g.Extra)
}

func (p *RestartPolicy) unshare() { p.Extra = cloneExtra(p.Extra) }

func (t *Task) unshare() {
	t.Meta = maps.Clone(t.Meta)
	t.Resources = cloneResources(t.Resources)
	t.Constraints = cloneList(t.Constraints, (*Constraint).unshare)
	t.Services = cloneList(t.Services, (*Service).unshare)
	t.Env = maps.Clone(t.Env)
	t.Config = cloneMap(t.Config, cloneValue)
	t.Extra = cloneExtra(t.Extra)
}

func (s *Service) unshare() {
	s.Checks = cloneList(s.Checks, (*ServiceCheck).unshare)
	s.Tags = slices.Clone(s.Tags)
	s.Extra = cloneExtra(s.Extra)
}

func (k *ServiceCheck) unshare() { k.Extra = cloneExtra(k.Extra) }

func cloneResources(r *Resources) *Resources { return clonePointer(r, (*Resources).unshare) }

func (r *Resources) unshare() {
	r.Networks = cloneList(r.Networks, (*NetworkResource).unshare)
	r.Extra = cloneExtra(r.Extra)
}

func (n *NetworkResource) unshare() {
	n.DynamicPorts = cloneList(n.DynamicPorts, (*Port).unshare)
	n.ReservedPorts = cloneList(n.ReservedPorts, (*Port).unshare)
	n.Extra = cloneExtra(n.Extra)
}

func (p *Port) unshare() { p.Extra = cloneExtra(p.Extra) }

func (m *AllocMetric) unshare() {
	m.ClassFiltered = maps.Clone(m.ClassFiltered)
	m.ConstraintFiltered = maps.Clone(m.ConstraintFiltered)
	m.ClassExhausted = maps.Clone(m.ClassExhausted)
	m.DimensionExhausted = maps.Clone(m.DimensionExhausted)
	m.Scores = maps.Clone(m.Scores)
	m.Extra = cloneExtra(m.Extra)
}

func cloneExtra(m extras) extras { return cloneMap(m, slices.Clone[json.RawMessage]) }

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
