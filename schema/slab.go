package schema

// A slab is the memory for the structs of a scheduler's part, allocated together: for the
// typical allocation, one block instead of seven. The structs live equally long, because the
// scheduler's next write replaces all of them. A struct that a slab has no room for is
// allocated by itself.
type slab struct {
	resources []Resources
	networks  []NetworkResource
	ports     []Port
	metric    *AllocMetric
}

// A typicalSlab is the slab of an allocation with one task, one network and one port, such as
// the documented one. It fills its size class.
type typicalSlab struct {
	resources [2]Resources
	networks  [2]NetworkResource
	ports     [2]Port
	metric    AllocMetric
}

// sizes are the numbers of structs in a scheduler's part.
type sizes struct{ resources, networks, ports, metrics int }

var typical = sizes{resources: 2, networks: 2, ports: 2, metrics: 1}

// allocSlab allocates the slab of a scheduler's part. The resources are next, and the number
// of fields left includes them.
func (r *reader) allocSlab(left int) {
	n := r.sizes(left)
	if n == typical {
		t := new(typicalSlab)
		r.slab = slab{t.resources[:], t.networks[:], t.ports[:], &t.metric}
		return
	}
	r.slab = slab{
		resources: make([]Resources, n.resources),
		networks:  make([]NetworkResource, n.networks),
		ports:     make([]Port, n.ports),
	}
}

// sizes counts the structs in the next fields without decoding them. Each takes at least a
// byte. Malformed bytes give zero; decoding reports the fault.
func (r *reader) sizes(left int) (n sizes) {
	if r.err != nil {
		return sizes{}
	}
	start := r.off
	n.countResources(r)
	if left > 1 {
		for range r.mapLen() {
			r.skip()
			n.countResources(r)
		}
	}
	if left > 2 && !r.null() {
		n.metrics = 1
	}
	if r.err != nil {
		n, r.err = sizes{}, nil
	}
	r.off = start
	return n
}

func (n *sizes) countResources(r *reader) {
	if r.null() {
		return
	}
	n.resources++
	for i := range r.arrayLen() {
		if i != 4 { // the networks
			r.skip()
			continue
		}
		networks := r.arrayLen()
		n.networks += networks
		for range networks {
			n.countPorts(r)
		}
	}
}

// countPorts counts the ports of a network.
func (n *sizes) countPorts(r *reader) {
	for i := range r.arrayLen() {
		if i != 4 && i != 5 { // the dynamic and the reserved ports
			r.skip()
			continue
		}
		ports := r.arrayLen()
		n.ports += ports
		for range ports {
			r.skip()
		}
	}
}

func (s *slab) resource() *Resources {
	if len(s.resources) == 0 {
		return new(Resources)
	}
	res := &s.resources[0]
	s.resources = s.resources[1:]
	return res
}

func (s *slab) metrics() *AllocMetric {
	if s.metric == nil {
		return new(AllocMetric)
	}
	metric := s.metric
	s.metric = nil
	return metric
}

// carve returns an empty list for n elements: the front of from if that is long enough, or
// else a new list, which grows if n is more than maxPrealloc.
func carve[T any](from *[]T, n int) []T {
	if n > len(*from) {
		return make([]T, 0, min(n, maxPrealloc))
	}
	list := (*from)[:0:n]
	*from = (*from)[n:]
	return list
}
