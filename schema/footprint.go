package schema

import "unsafe"

// Footprint returns about how many bytes of memory a holds when it was decoded,
// its Job aside, which many allocations share. It is off by a tenth at the most
// for any allocation of some size, and always the same for the same content.
func (a *Allocation) Footprint() int {
	var f footprint
	f.block(unsafe.Sizeof(*a))
	f.block(uintptr(len(a.ID)))
	f.text(a.EvalID, a.Name, a.NodeID, a.JobID, a.TaskGroup, a.DesiredStatus, a.DesiredDescription)
	f.text(a.ClientStatus, a.ClientDescription, a.PreviousAllocation, a.NextAllocation)
	f.resources(a.Resources)
	countMap(&f, a.TaskResources)
	for name, r := range a.TaskResources {
		f.text(name)
		f.resources(r)
	}
	f.metric(a.Metrics)
	countMap(&f, a.TaskStates)
	for name, s := range a.TaskStates {
		f.block(unsafe.Sizeof(*s))
		f.text(name, s.State, s.Events.packed)
		f.number(4)
	}
	return int(f)
}

// A footprint adds up memory.
type footprint uintptr

// block adds something that is allocated by itself: memory comes in sizes.
func (f *footprint) block(size uintptr) {
	step := uintptr(16)
	for step < size/8 {
		step *= 2
	}
	*f += footprint((size + step - 1) / step * step)
}

// text adds strings. They alias the encoding, which is held as a whole: with its
// codes, that is a byte or two more for each.
func (f *footprint) text(all ...string) {
	for _, s := range all {
		*f += footprint(len(s) + 1)
	}
}

// number adds what so many numbers take in the encoding.
func (f *footprint) number(n int) { *f += footprint(2 * n) }

func (f *footprint) resources(r *Resources) {
	if r == nil {
		return
	}
	f.block(unsafe.Sizeof(*r))
	f.number(5)
	f.block(uintptr(len(r.Networks)) * unsafe.Sizeof(NetworkResource{}))
	for i := range r.Networks {
		n := &r.Networks[i]
		f.text(n.Device, n.IP, n.CIDR)
		f.number(4)
		for _, ports := range [][]Port{n.DynamicPorts, n.ReservedPorts} {
			f.block(uintptr(len(ports)) * unsafe.Sizeof(Port{}))
			for j := range ports {
				f.text(ports[j].Label)
				f.number(2)
			}
		}
	}
}

func (f *footprint) metric(m *AllocMetric) {
	if m == nil {
		return
	}
	f.block(unsafe.Sizeof(*m))
	f.number(6)
	for _, counts := range []map[string]int{m.ClassFiltered, m.ConstraintFiltered, m.ClassExhausted, m.DimensionExhausted} {
		countMap(f, counts)
		for name := range counts {
			f.text(name)
			f.number(1)
		}
	}
	countMap(f, m.Scores)
	for name := range m.Scores {
		f.text(name)
		f.number(4)
	}
}

// countMap adds the map itself, as Go lays maps out: a header, and slots in groups
// of 8 with a byte each besides, up to seven eighths of which are filled.
func countMap[V any](f *footprint, m map[string]V) {
	const header, group, table = 48, 8, 64
	if m == nil {
		return
	}
	f.block(header)
	slots := uintptr(group)
	if len(m) > group {
		for slots*7/8 < uintptr(len(m)) {
			slots *= 2
		}
		f.block(table)
	}
	var v V
	f.block(slots * (1 + unsafe.Sizeof("") + unsafe.Sizeof(v)))
}
