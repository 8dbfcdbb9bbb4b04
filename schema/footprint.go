package schema

import "unsafe"

// Footprint returns about how many bytes of memory a holds when [Shared] decoded it,
// aside from its Job and from strings that many allocations share. From an empty
// allocation to one of 40 tasks it is within a tenth of what the heap grows by, and it is
// always the same for the same content.
func (a *Allocation) Footprint() int {
	var f footprint
	f.block(unsafe.Sizeof(*a))
	text := idText + len(a.Name) + lenOf(a.DesiredStatus) + len(a.DesiredDescription) + len(a.PreviousAllocation)
	f.block(uintptr(len(a.NextAllocation)))

	var c census
	if a.Metrics != nil {
		c.metrics = 1
		f.metric(a.Metrics)
	}
	text += c.count(a.Resources)
	countMap(&f, a.TaskResources)
	for _, r := range a.TaskResources {
		text += c.count(r)
	}
	f.structs(c)
	f.block(uintptr(text))

	text = lenOf(a.ClientStatus) + len(a.ClientDescription)
	countMap(&f, a.TaskStates)
	for _, s := range a.TaskStates {
		if s != nil {
			f.block(unsafe.Sizeof(*s))
			text += lenOf(s.State) + len(s.Events.packed)
		}
	}
	f.block(uintptr(text))
	return int(f)
}

// lenOf is how long a status is, unless it is a constant of this package.
func lenOf(status string) int {
	if _, ok := wordOf(status); ok {
		return 0
	}
	return len(status)
}

// count counts what the resources consist of, and returns how long their own texts are.
func (c *census) count(r *Resources) (text int) {
	if r == nil {
		return 0
	}
	c.resources++
	c.networks += len(r.Networks)
	for i := range r.Networks {
		n := &r.Networks[i]
		c.ports += len(n.DynamicPorts) + len(n.ReservedPorts)
		text += len(n.CIDR)
	}
	return text
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

// structs adds the memory of a room.
func (f *footprint) structs(c census) {
	if c == usual {
		f.block(unsafe.Sizeof(usualRoom{}))
		return
	}
	f.block(uintptr(c.resources) * unsafe.Sizeof(Resources{}))
	f.block(uintptr(c.networks) * unsafe.Sizeof(NetworkResource{}))
	f.block(uintptr(c.ports) * unsafe.Sizeof(Port{}))
	f.block(uintptr(c.metrics) * unsafe.Sizeof(AllocMetric{}))
}

func (f *footprint) metric(m *AllocMetric) {
	countMap(f, m.ClassFiltered)
	countMap(f, m.ConstraintFiltered)
	countMap(f, m.ClassExhausted)
	countMap(f, m.DimensionExhausted)
	countMap(f, m.Scores)
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
