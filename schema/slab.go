package schema

// A slab is the memory for the structs of a typical scheduler's part, which has one task, one
// network and one port: one block instead of seven. It fills its size class. A struct beyond it
// is allocated by itself. The structs live equally long, because the scheduler's next write
// replaces all of them.
type slab struct {
	resources [2]Resources
	networks  [2]NetworkResource
	ports     [2]Port
	metric    [1]AllocMetric
}

// spare has the unused structs of a slab.
type spare struct {
	resources []Resources
	networks  []NetworkResource
	ports     []Port
	metric    []AllocMetric
}

func newSpare() spare {
	s := new(slab)
	return spare{s.resources[:], s.networks[:], s.ports[:], s.metric[:]}
}

// noSpare is the spare of coders that append. It is never written.
var noSpare spare

// spare returns the structs that are there for the struct that is read.
func (c *coder) spare() *spare {
	if c.r == nil {
		return &noSpare
	}
	return &c.r.spare
}

// carve returns an empty list for n elements: the front of from if that is long enough, or
// else a new list, which grows if n is more than maxPrealloc.
func carve[T any](from *[]T, n int) []T {
	if from == nil || n > len(*from) {
		return make([]T, 0, min(n, maxPrealloc))
	}
	list := (*from)[:0:n]
	*from = (*from)[n:]
	return list
}
