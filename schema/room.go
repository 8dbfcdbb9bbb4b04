package schema

// A room is the memory for the structs of a scheduler's part, allocated at once: seven
// allocations of the usual allocation become one. They live and die together, since
// only the scheduler's next write replaces them. Where it is too small, or empty, what
// does not fit is allocated by itself.
type room struct {
	resources []Resources
	networks  []NetworkResource
	ports     []Port
	metric    *AllocMetric
}

// A usualRoom is the room of an allocation with one task, one network and one port, as
// is the documented one. It fills its size class.
type usualRoom struct {
	resources [2]Resources
	networks  [2]NetworkResource
	ports     [2]Port
	metric    AllocMetric
}

// A census is how many structs a scheduler's part has.
type census struct{ resources, networks, ports, metrics int }

var usual = census{resources: 2, networks: 2, ports: 2, metrics: 1}

// makeRoom makes room for the structs of a scheduler's part, of which fields are left,
// and the resources are next.
func (r *reader) makeRoom(fields int) {
	c := r.census(fields)
	if c == usual {
		u := new(usualRoom)
		r.room = room{u.resources[:], u.networks[:], u.ports[:], &u.metric}
		return
	}
	r.room = room{
		resources: make([]Resources, c.resources),
		networks:  make([]NetworkResource, c.networks),
		ports:     make([]Port, c.ports),
	}
}

// census walks over the fields with structs without decoding them. Each struct that it
// counts takes a byte at least. It counts none where the bytes make no sense; whoever
// decodes them says what is wrong.
func (r *reader) census(fields int) (c census) {
	look := reader{src: r.src, off: r.off}
	c.addResources(&look)
	if fields > 1 {
		for range look.mapLen() {
			look.skip()
			c.addResources(&look)
		}
	}
	if fields > 2 && !look.null() {
		c.metrics = 1
	}
	if look.err != nil {
		return census{}
	}
	return c
}

func (c *census) addResources(r *reader) {
	if r.null() {
		return
	}
	c.resources++
	for i := range r.arrayLen() {
		if i != 4 { // the networks
			r.skip()
			continue
		}
		n := r.arrayLen()
		c.networks += n
		for range n {
			c.addPorts(r)
		}
	}
}

// addPorts counts the ports of a network.
func (c *census) addPorts(r *reader) {
	for i := range r.arrayLen() {
		if i != 4 && i != 5 { // the dynamic and the reserved ports
			r.skip()
			continue
		}
		n := r.arrayLen()
		c.ports += n
		for range n {
			r.skip()
		}
	}
}

func (m *room) resource() *Resources {
	if len(m.resources) == 0 {
		return new(Resources)
	}
	res := &m.resources[0]
	m.resources = m.resources[1:]
	return res
}

func (m *room) metrics() *AllocMetric {
	if m.metric == nil {
		return new(AllocMetric)
	}
	metric := m.metric
	m.metric = nil
	return metric
}

// carve returns an empty list with room for n, taken from the front of from if there
// is as much, and otherwise for as many as are believed to come.
func carve[T any](from *[]T, n int) []T {
	if n > len(*from) {
		return make([]T, 0, min(n, maxRoom))
	}
	list := (*from)[:0:n]
	*from = (*from)[n:]
	return list
}
