package report

import (
	"fmt"
	"io"
	"time"

	"allocstore/bench/internal/machine"
)

// A Timing measures a phase that is running.
type Timing struct {
	name  string
	start time.Time
	then  machine.Processor
}

// Start starts a phase.
func Start(name string) *Timing {
	return &Timing{name: name, start: time.Now(), then: machine.ProcessorNow()}
}

// End ends the phase, adds it to the report, and prints a line about it to w. h may be nil.
func (t *Timing) End(r *Report, w io.Writer, operations int, h *Histogram) Phase {
	p := Phase{Name: t.name, Operations: operations, Seconds: time.Since(t.start).Seconds(), Anonymous: machine.ResidentNow().Anonymous}
	if h != nil && h.Len() > 0 {
		p.P50, p.P99 = h.Quantile(.5), h.Quantile(.99)
	}
	if share, ok := machine.ProcessorNow().Share(t.then); ok {
		p.Garbage = &share
	}
	r.Phases = append(r.Phases, p)
	fmt.Fprintf(w, "%s: %d in %.1f s\n", p.Name, p.Operations, p.Seconds)
	return p
}
