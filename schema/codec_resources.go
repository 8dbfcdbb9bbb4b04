package schema

func appendResources(dst []byte, res *Resources) []byte {
	if res == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.int(int64(res.CPU))
	t.int(int64(res.MemoryMB))
	t.int(int64(res.DiskMB))
	t.int(int64(res.IOPS))
	t.put(appendList(t.dst, res.Networks, appendNetwork), len(res.Networks) != 0)
	return t.close()
}

func (r *reader) resources() *Resources {
	if r.null() {
		return nil
	}
	res := r.room.resource()
	for i := range r.arrayLen() {
		switch i {
		case 0:
			res.CPU = r.int()
		case 1:
			res.MemoryMB = r.int()
		case 2:
			res.DiskMB = r.int()
		case 3:
			res.IOPS = r.int()
		case 4:
			res.Networks = r.networks()
		default:
			r.skip()
		}
	}
	return res
}

func appendNetwork(dst []byte, n *NetworkResource) []byte {
	t := openTuple(dst)
	t.str(n.Device)
	t.str(n.IP)
	t.str(n.CIDR)
	t.int(int64(n.MBits))
	t.put(appendList(t.dst, n.DynamicPorts, appendPort), len(n.DynamicPorts) != 0)
	t.put(appendList(t.dst, n.ReservedPorts, appendPort), len(n.ReservedPorts) != 0)
	return t.close()
}

func (r *reader) taskResources() map[string]*Resources {
	n := r.mapLen()
	m := newMap[*Resources](n)
	for range n {
		at := r.off
		key := r.taskName()
		put(r, m, at, key, r.resources())
	}
	return m
}

func (r *reader) networks() []NetworkResource {
	n := r.arrayLen()
	if n == 0 {
		return nil
	}
	list := carve(&r.room.networks, n)
	for i := range n {
		list = append(list, NetworkResource{})
		r.network(&list[i])
	}
	return list
}

func (r *reader) network(n *NetworkResource) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			n.Device = r.shared()
		case 1:
			n.IP = r.shared()
		case 2:
			r.text(&n.CIDR)
		case 3:
			n.MBits = r.int()
		case 4:
			n.DynamicPorts = r.ports()
		case 5:
			n.ReservedPorts = r.ports()
		default:
			r.skip()
		}
	}
}

func appendPort(dst []byte, p *Port) []byte {
	t := openTuple(dst)
	t.str(p.Label)
	t.int(int64(p.Value))
	return t.close()
}

func (r *reader) ports() []Port {
	n := r.arrayLen()
	if n == 0 {
		return nil
	}
	list := carve(&r.room.ports, n)
	for i := range n {
		list = append(list, Port{})
		r.port(&list[i])
	}
	return list
}

func (r *reader) port(p *Port) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			p.Label = r.shared()
		case 1:
			p.Value = r.int()
		default:
			r.skip()
		}
	}
}
