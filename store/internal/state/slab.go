package state

// A slab allocates a few values at once. They are freed together.
type slab[T any] struct {
	free []T
}

const slabLen = 16

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, slabLen)
	}
	t := &s.free[0]
	s.free = s.free[1:]
	return t
}
