package machine

import "runtime/metrics"

// Processor is how much time the processors have spent, in seconds. The runtime
// brings these up to date at the end of each collection, so a difference of two
// holds when both were read right after one, and some collections apart: the classes
// are counted at different moments, and over one alone may not add up.
type Processor struct {
	Collections uint64  // of garbage, so far
	Garbage     float64 // spent on them
	Busy        float64 // spent on anything
}

// ProcessorNow asks the runtime.
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

// Share returns the share of the time since then that went to collecting garbage,
// up to the last collection that has ended; false if none has.
func (p Processor) Share(then Processor) (float64, bool) {
	if p.Collections == then.Collections || p.Busy <= then.Busy {
		return 0, false
	}
	return (p.Garbage - then.Garbage) / (p.Busy - then.Busy), true
}
