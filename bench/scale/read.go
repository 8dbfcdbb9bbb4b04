package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/schema"
)

// Lookups run in getters goroutines. Each times one lookup in timedGet and compares
// its result. Comparing more would distort the rate: it touches the allocation, which
// took 0.4 to 0.8 µs with 200,000 of them, two to four times as long as Get. Other
// phases compare all allocations.
const (
	getters  = 2
	timedGet = 64
)

// readOnce gets every allocation, so that all are resident afterwards.
func (t *trial) readOnce(context.Context) error {
	timing := report.Start("get each once, after the updates")
	err := program.Parallel(getters, func(g int) error {
		for i := g; i < t.Len(); i += getters {
			if err := t.get(t.ID(i), t.last[i]); err != nil {
				return err
			}
		}
		return nil
	})
	timing.End(t.Report, t.progress, t.Len(), nil)
	return err
}

// get looks up an allocation and compares its ModifyIndex.
func (t *trial) get(id string, last uint64) error {
	a, err := t.s.Get(id)
	if err != nil {
		return err
	}
	return compare(a, id, last)
}

func compare(a *schema.Allocation, id string, last uint64) error {
	if a.ID != id || a.ModifyIndex != last {
		return fmt.Errorf("get of %s, changed at %d: got %s at %d", id, last, a.ID, a.ModifyIndex)
	}
	return nil
}

// chosen is a list of allocations to look up, in the order of the lookups. It is
// prepared in advance, so that a measurement contains lookups alone.
type chosen struct {
	ids  []string
	jobs []uint32
	last []uint64 // ModifyIndex at the time of choosing
}

// choose returns n distinct allocations in random order, or all if there are fewer.
func (t *trial) choose(n int) chosen {
	return t.chosen(rand.New(rand.NewPCG(t.Seed, uint64(n))).Perm(t.Len())[:min(n, t.Len())])
}

// draw returns n random allocations, with repetitions.
func (t *trial) draw(n int) chosen {
	r := rand.New(rand.NewPCG(t.Seed, uint64(n)))
	which := make([]int, n)
	for k := range which {
		which[k] = r.IntN(t.Len())
	}
	return t.chosen(which)
}

// chosen returns the allocations with the given numbers.
func (t *trial) chosen(which []int) (c chosen) {
	for _, i := range which {
		c.ids = append(c.ids, t.ID(i))
		c.jobs = append(c.jobs, uint32(i/fleet.PerJob))
		c.last = append(c.last, t.last[i])
	}
	return c
}

// part returns the part for goroutine g.
func (c chosen) part(g int) chosen {
	from, to := len(c.ids)*g/getters, len(c.ids)*(g+1)/getters
	return chosen{c.ids[from:to], c.jobs[from:to], c.last[from:to]}
}

// lookUp measures lookups of resident allocations.
func (t *trial) lookUp(context.Context) error {
	return t.measureGets("get, resident", t.choose(t.Len()), t.lookups)
}

// fromFile measures lookups of allocations that are not yet resident.
func (t *trial) fromFile(context.Context) error {
	c := t.choose(200_000)
	return t.measureGets("get, from the file", c, len(c.ids))
}

// measureGets makes about n lookups. Each goroutine repeats its part of c.
func (t *trial) measureGets(name string, c chosen, n int) error {
	runtime.GC() // garbage of earlier phases is not part of this one
	timing := report.Start(name)
	histograms := make([]report.Histogram, getters)
	err := program.Parallel(getters, func(g int) error {
		return t.gets(c.part(g), n/getters, &histograms[g])
	})
	timing.End(t.Report, t.progress, n/getters*getters, report.Merged(histograms))
	return err
}

// gets makes n lookups, repeating c.
func (t *trial) gets(c chosen, n int, h *report.Histogram) error {
	for k, at := 0, 0; k < n && len(c.ids) > 0; k++ {
		if at == len(c.ids) {
			at = 0
		}
		if k%timedGet == 0 {
			began := time.Now()
			a, err := t.s.Get(c.ids[at])
			h.Record(time.Since(began))
			if err != nil {
				return err
			}
			if err := compare(a, c.ids[at], c.last[at]); err != nil {
				return err
			}
		} else if _, err := t.s.Get(c.ids[at]); err != nil {
			return err
		}
		at++
	}
	return nil
}

// resident reports the heap of an allocation while all are resident.
func (t *trial) resident(context.Context) error {
	heap, _ := machine.InUse()
	t.AtMost("heap of a resident allocation", float64(heap-t.before)/float64(t.Len()), "bytes", 3000)
	return nil
}
