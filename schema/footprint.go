package schema

import "unsafe"

// Footprint estimates the memory of a decoded allocation in bytes, without its job and
// interned strings. It is within a tenth of the heap's growth for allocations of 0 to 40
// tasks. Equal content has an equal footprint.
//
// The lengths of the encoded parts are no substitute: an encoded byte of a string takes 1 byte
// of memory, and one of a struct about 7. The linear estimate that fits best is 23 % too low
// for the documented allocation.
func (c *Codec) Footprint(a *Allocation) int {
	var f footprint
	f.block(unsafe.Sizeof(*a))
	f.block(uintptr(len(a.NextAllocation)))

	var n sizes
	text := idText + len(a.Name) + len(a.DesiredDescription) + len(a.PreviousAllocation)
	text += n.count(a.Resources)
	countMap(&f, a.TaskResources)
	for _, r := range a.TaskResources {
		text += n.count(r)
	}
	if a.Metrics != nil {
		n.metrics = 1
		f.metric(a.Metrics)
	}
	f.slab(n)
	f.block(uintptr(text))

	f.block(uintptr(len(a.ClientDescription)))
	countMap(&f, a.TaskStates)
	for _, s := range a.TaskStates {
		if s != nil {
			f.block(unsafe.Sizeof(*s))
			f.block(uintptr(len(s.Events.packed)))
		}
	}
	return int(f)
}

// count counts the structs of r, and returns the length of the strings that belong to them
// alone.
func (n *sizes) count(r *Resources) (text int) {
	if r == nil {
		return 0
	}
	n.resources++
	n.networks += len(r.Networks)
	for i := range r.Networks {
		network := &r.Networks[i]
		n.ports += len(network.DynamicPorts) + len(network.ReservedPorts)
		text += len(network.CIDR)
	}
	return text
}

// A footprint adds up memory.
type footprint uintptr

// block adds one allocation of size bytes, rounded up to a size class of about that size.
func (f *footprint) block(size uintptr) {
	step := uintptr(16)
	for step < size/8 {
		step *= 2
	}
	*f += footprint((size + step - 1) / step * step)
}

// slab adds the memory of a slab.
func (f *footprint) slab(n sizes) {
	if n == typical {
		f.block(unsafe.Sizeof(typicalSlab{}))
		return
	}
	f.block(uintptr(n.resources) * unsafe.Sizeof(Resources{}))
	f.block(uintptr(n.networks) * unsafe.Sizeof(NetworkResource{}))
	f.block(uintptr(n.ports) * unsafe.Sizeof(Port{}))
	f.block(uintptr(n.metrics) * unsafe.Sizeof(AllocMetric{}))
}

func (f *footprint) metric(m *AllocMetric) {
	countMap(f, m.ClassFiltered)
	countMap(f, m.ConstraintFiltered)
	countMap(f, m.ClassExhausted)
	countMap(f, m.DimensionExhausted)
	countMap(f, m.Scores)
}

// countMap adds a map, by the layout of Go's maps: a header, and slots in groups of 8 with one
// byte each besides, at most seven eighths of them in use.
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
