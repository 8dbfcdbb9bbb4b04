package machine

import "runtime/metrics"

// Processor is the processor time of the process, in seconds. The runtime updates the
// classes of time at different moments around the end of a collection. So the
// difference of two values is valid if both were read right after a collection, and
// several collections lie between them.
type Processor struct {
	Collections uint64  // number of garbage collections
	Garbage     float64 // spent on garbage collection
	Busy        float64 // spent on any work
}

// ProcessorNow returns the current values.
func ProcessorNow() Processor {
	const (
		cycles  = "/gc/cycles/total:gc-cycles"
		garbage = "/cpu/classes/gc/total:cpu-seconds"
		idle    = "/cpu/classes/idle:cpu-seconds"
		total   = "/cpu/classes/total:cpu-seconds"
	)
	s := []metrics.Sample{{Name: cycles}, {Name: garbage}, {Name: idle}, {Name: total}}
	metrics.Read(s)
	return Processor{
		Collections: s[0].Value.Uint64(),
		Garbage:     s[1].Value.Float64(),
		Busy:        s[3].Value.Float64() - s[2].Value.Float64(),
	}
}

// Share returns the share of busy time spent on garbage collection since then, up to
// the last completed collection. It returns false if no collection has completed.
func (p Processor) Share(then Processor) (float64, bool) {
	if p.Collections == then.Collections || p.Busy <= then.Busy {
		return 0, false
	}
	return (p.Garbage - then.Garbage) / (p.Busy - then.Busy), true
}
