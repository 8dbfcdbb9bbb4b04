package schema

import "time"

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
	res := new(Resources)
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
			res.Networks = readList(r, (*reader).network)
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

func (r *reader) network(n *NetworkResource) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			n.Device = r.str()
		case 1:
			n.IP = r.str()
		case 2:
			n.CIDR = r.str()
		case 3:
			n.MBits = r.int()
		case 4:
			n.DynamicPorts = readList(r, (*reader).port)
		case 5:
			n.ReservedPorts = readList(r, (*reader).port)
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

func (r *reader) port(p *Port) {
	for i := range r.arrayLen() {
		switch i {
		case 0:
			p.Label = r.str()
		case 1:
			p.Value = r.int()
		default:
			r.skip()
		}
	}
}

func appendMetric(dst []byte, m *AllocMetric) []byte {
	if m == nil {
		return appendNil(dst)
	}
	t := openTuple(dst)
	t.int(int64(m.AllocationTime))
	t.int(int64(m.NodesEvaluated))
	t.put(appendMap(t.dst, m.Scores, appendFloat), len(m.Scores) != 0)
	t.int(int64(m.NodesFiltered))
	t.int(int64(m.NodesExhausted))
	t.int(int64(m.CoalescedFailures))
	t.put(appendCounts(t.dst, m.ClassFiltered), len(m.ClassFiltered) != 0)
	t.put(appendCounts(t.dst, m.ConstraintFiltered), len(m.ConstraintFiltered) != 0)
	t.put(appendCounts(t.dst, m.ClassExhausted), len(m.ClassExhausted) != 0)
	t.put(appendCounts(t.dst, m.DimensionExhausted), len(m.DimensionExhausted) != 0)
	return t.close()
}

func appendCounts(dst []byte, counts map[string]int) []byte {
	return appendMap(dst, counts, func(dst []byte, v int) []byte { return appendInt(dst, int64(v)) })
}

func (r *reader) metric() *AllocMetric {
	if r.null() {
		return nil
	}
	m := new(AllocMetric)
	for i := range r.arrayLen() {
		switch i {
		case 0:
			m.AllocationTime = time.Duration(r.int64())
		case 1:
			m.NodesEvaluated = r.int()
		case 2:
			m.Scores = readMap(r, (*reader).float)
		case 3:
			m.NodesFiltered = r.int()
		case 4:
			m.NodesExhausted = r.int()
		case 5:
			m.CoalescedFailures = r.int()
		case 6:
			m.ClassFiltered = readMap(r, (*reader).int)
		case 7:
			m.ConstraintFiltered = readMap(r, (*reader).int)
		case 8:
			m.ClassExhausted = readMap(r, (*reader).int)
		case 9:
			m.DimensionExhausted = readMap(r, (*reader).int)
		default:
			r.skip()
		}
	}
	return m
}
