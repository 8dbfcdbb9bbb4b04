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

// getters is how many goroutines read. One lookup in timedGet is timed, and what it
// returned is compared. Not more: an allocation that is only looked up is not
// touched, and touching it took 0.4 to 0.8 µs, two to four times what Get took, with
// 200,000 of them. All are compared elsewhere.
const (
	getters  = 2
	timedGet = 64
)

// readOnce gets every allocation, so that all are in memory.
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

// get looks an allocation up and compares what it was changed at.
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

// chosen are allocations to look up, with all that a lookup needs to know, in the
// order of the lookups, so that making it or fetching it is not what is measured.
type chosen struct {
	ids  []string
	jobs []uint32
	last []uint64 // what each was changed at, when it was chosen
}

// choose returns n allocations in random order, none twice, or all there are.
func (t *trial) choose(n int) chosen {
	return t.chosen(rand.New(rand.NewPCG(t.Seed, uint64(n))).Perm(t.Len())[:min(n, t.Len())])
}

// draw returns n allocations at random, each as likely as any at any time.
func (t *trial) draw(n int) chosen {
	r := rand.New(rand.NewPCG(t.Seed, uint64(n)))
	which := make([]int, n)
	for k := range which {
		which[k] = r.IntN(t.Len())
	}
	return t.chosen(which)
}

// chosen returns those allocations.
func (t *trial) chosen(which []int) (c chosen) {
	for _, i := range which {
		c.ids = append(c.ids, t.ID(i))
		c.jobs = append(c.jobs, uint32(i/fleet.PerJob))
		c.last = append(c.last, t.last[i])
	}
	return c
}

// part returns the part of goroutine g.
func (c chosen) part(g int) chosen {
	from, to := len(c.ids)*g/getters, len(c.ids)*(g+1)/getters
	return chosen{c.ids[from:to], c.jobs[from:to], c.last[from:to]}
}

// lookUp measures lookups of what is in memory, over all allocations.
func (t *trial) lookUp(context.Context) error {
	return t.measureGets("get, resident", t.choose(t.Len()), t.lookups)
}

// fromFile measures lookups of what is not in memory yet.
func (t *trial) fromFile(context.Context) error {
	c := t.choose(200_000)
	return t.measureGets("get, from the file", c, len(c.ids))
}

// measureGets looks about n up, each goroutine its part again and again.
func (t *trial) measureGets(name string, c chosen, n int) error {
	runtime.GC() // what went before is not to be paid here
	timing := report.Start(name)
	histograms := make([]report.Histogram, getters)
	err := program.Parallel(getters, func(g int) error {
		return t.gets(c.part(g), n/getters, &histograms[g])
	})
	timing.End(t.Report, t.progress, n/getters*getters, report.Merged(histograms))
	return err
}

// gets looks n up, one after the other, again and again.
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

// resident tells what an allocation takes of the heap, all being in memory.
func (t *trial) resident(context.Context) error {
	heap, _ := machine.InUse()
	t.AtMost("heap of a resident allocation", float64(heap-t.before)/float64(t.Len()), "bytes", 3000)
	return nil
}
