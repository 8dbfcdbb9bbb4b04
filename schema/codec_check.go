package schema

import "fmt"

// The Check methods decode bytes that come from outside, such as those of a raft log. They refuse
// all bytes but those of the Append methods: a number or a length in a longer form, a map that is
// out of order, zero fields at the end, fields that only a newer release knows. So bytes that pass
// are equal exactly if their content is. They do not look for the faults that Validate reports.
//
// An error is ErrMalformed, with the offset. The results share the memory of src.

// CheckScheduler sets the fields of the scheduler's part of a to those in src.
func (c *Codec) CheckScheduler(src string, a *Allocation) error {
	const part = "scheduler's part"
	r := reader{src: src}
	if r.scheduler(a); r.end() != nil {
		return named(part, r.err)
	}
	return named(part, exactly(src, appendScheduler, a))
}

// CheckClient sets the fields of the client's part of a to those in src.
func (c *Codec) CheckClient(src string, a *Allocation) error {
	const part = "client's part"
	r := reader{src: src}
	if r.client(a); r.end() != nil {
		return named(part, r.err)
	}
	return named(part, exactly(src, appendClient, a))
}

// CheckJob returns the job in src, or nil if a nil job was encoded.
func (c *Codec) CheckJob(src string) (*Job, error) {
	j, err := decodeJob(src)
	if err == nil {
		err = named("job", exactly(src, appendJob, j))
	}
	return j, err
}

// exactly returns an error unless src is the encoding of v.
func exactly[T any](src string, appendOne func([]byte, T) []byte, v T) error {
	buf := packing.Get().(*[]byte)
	defer packing.Put(buf)
	*buf = appendOne((*buf)[:0], v)
	if want := *buf; string(want) != src {
		at := 0
		for at < min(len(want), len(src)) && want[at] == src[at] {
			at++
		}
		return fmt.Errorf("%w: offset %d: not in canonical form", ErrMalformed, at)
	}
	return nil
}
