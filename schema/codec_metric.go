package schema

import "time"

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
	m := r.room.metrics()
	for i := range r.arrayLen() {
		switch i {
		case 0:
			m.AllocationTime = time.Duration(r.int64())
		case 1:
			m.NodesEvaluated = r.int()
		case 2:
			m.Scores = r.scores()
		case 3:
			m.NodesFiltered = r.int()
		case 4:
			m.NodesExhausted = r.int()
		case 5:
			m.CoalescedFailures = r.int()
		case 6:
			m.ClassFiltered = r.counts()
		case 7:
			m.ConstraintFiltered = r.counts()
		case 8:
			m.ClassExhausted = r.counts()
		case 9:
			m.DimensionExhausted = r.counts()
		default:
			r.skip()
		}
	}
	return m
}

func (r *reader) scores() map[string]float64 {
	n := r.mapLen()
	m := newMap[float64](n)
	for range n {
		at := r.off
		key := r.scoreName()
		put(r, m, at, key, r.float())
	}
	return m
}

func (r *reader) counts() map[string]int {
	n := r.mapLen()
	m := newMap[int](n)
	for range n {
		at := r.off
		key := r.shared()
		put(r, m, at, key, r.int())
	}
	return m
}
