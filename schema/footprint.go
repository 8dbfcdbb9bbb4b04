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
	f.blocks(1, unsafe.Sizeof(*a))
	f.resources(a)
	if a.Metrics != nil {
		countMap(&f, a.Metrics.ClassFiltered)
		countMap(&f, a.Metrics.ConstraintFiltered)
		countMap(&f, a.Metrics.ClassExhausted)
		countMap(&f, a.Metrics.DimensionExhausted)
		countMap(&f, a.Metrics.Scores)
		f.extra(a.Metrics.Extra)
	}
	countMap(&f, a.TaskStates)
	for _, s := range a.TaskStates {
		if s != nil {
			f.blocks(1, unsafe.Sizeof(*s))
			f.text(len(s.Events.packed))
			f.extra(s.Extra)
		}
	}
	f.text(idText + len(a.Name))
	for _, text := range []string{a.DesiredDescription, a.ClientDescription} {
		if len(text) > maxInterned {
			f.text(len(text))
		}
	}
	f.text(len(a.PreviousAllocation))
	f.text(len(a.NextAllocation))
	f.extra(a.Extra)
	f.extra(a.ClientExtra)
	return int(f)
}

// A footprint adds up memory.
type footprint uintptr

// resources adds the structs of the scheduler's part. The slab has the first of them.
func (f *footprint) resources(a *Allocation) {
	var resources, networks, ports, metrics int
	count := func(r *Resources) {
		if r == nil {
			return
		}
		resources++
		networks += len(r.Networks)
		f.extra(r.Extra)
		for i := range r.Networks {
			n := &r.Networks[i]
			ports += len(n.DynamicPorts) + len(n.ReservedPorts)
			f.text(len(n.CIDR))
			f.extra(n.Extra)
			for j := range n.DynamicPorts {
				f.extra(n.DynamicPorts[j].Extra)
			}
			for j := range n.ReservedPorts {
				f.extra(n.ReservedPorts[j].Extra)
			}
		}
	}
	count(a.Resources)
	countMap(f, a.TaskResources)
	for _, r := range a.TaskResources {
		count(r)
	}
	if a.Metrics != nil {
		metrics = 1
	}
	if a.Resources != nil {
		var s slab
		f.blocks(1, unsafe.Sizeof(s))
		resources, networks = resources-len(s.resources), networks-len(s.networks)
		ports, metrics = ports-len(s.ports), 0
	}
	f.blocks(resources, unsafe.Sizeof(Resources{}))
	f.blocks(networks, unsafe.Sizeof(NetworkResource{}))
	f.blocks(ports, unsafe.Sizeof(Port{}))
	f.blocks(metrics, unsafe.Sizeof(AllocMetric{}))
}

// extra adds extra keys, which are interned, and their values.
func (f *footprint) extra(m extras) {
	countMap(f, m)
	for _, raw := range m {
		f.text(cap(raw))
	}
}

// text adds a string of n bytes.
func (f *footprint) text(n int) { f.blocks(1, uintptr(n)) }

// blocks adds n blocks of size bytes each, rounded up to a size class of about that size.
func (f *footprint) blocks(n int, size uintptr) {
	step := uintptr(16)
	for step < size/8 {
		step *= 2
	}
	*f += footprint(max(0, n)) * footprint((size+step-1)/step*step)
}

// countMap adds a map, by the layout of Go's maps: a header, and slots in groups of 8 with one
// byte each besides, at most seven eighths of them in use.
func countMap[V any](f *footprint, m map[string]V) {
	const header, group, table = 48, 8, 64
	if m == nil {
		return
	}
	f.blocks(1, header)
	slots := uintptr(group)
	if len(m) > group {
		for slots*7/8 < uintptr(len(m)) {
			slots *= 2
		}
		f.blocks(1, table)
	}
	var v V
	f.blocks(1, slots*(1+unsafe.Sizeof("")+unsafe.Sizeof(v)))
}
