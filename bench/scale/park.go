package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// settling is the time given to readers that should stay asleep.
const settling = 200 * time.Millisecond

// A lot is a set of parked readers: reader k waits on allocation k*stride.
type lot struct {
	*trial
	stride   int
	since    uint64        // MinQueryIndex of all readers
	patience time.Duration // longest time for a reader to park or to wake; a slower one is lost
	awake    chan woken
	left     sync.WaitGroup
	woke     atomic.Int64 // for any reason but their context
	ended    atomic.Int64 // by their context
	trouble  chan error
}

func (t *trial) newLot() *lot {
	return &lot{
		trial: t, stride: t.Len() / t.readers, since: t.s.LastIndex(), patience: program.Patience,
		awake: make(chan woken, 16), trouble: make(chan error, 1),
	}
}

// woken is the result of a reader's wait.
type woken struct {
	i      int
	at     time.Time
	result store.WaitResult
}

// park blocks the readers, measures the memory of one, wakes some, and ends the rest.
func (t *trial) park(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	descriptor := machine.DescriptorBytes(t.readers)
	heapBefore, stacksBefore := machine.InUse()
	l := t.newLot()
	timing := report.Start("park readers")
	for k := range t.readers {
		l.left.Add(1)
		go l.reader(ctx, k*l.stride)
	}
	if err := l.parked(); err != nil {
		return err
	}
	timing.End(t.Report, t.progress, t.readers, nil)
	heap, stacks := machine.InUse()
	each := func(bytes int64) float64 { return float64(bytes) / float64(t.readers) }
	t.AtMost("a blocked reader", descriptor+each(heap+stacks-heapBefore-stacksBefore), "bytes", 3150)
	t.Record("of it stack", each(stacks-stacksBefore), "bytes")
	if err := l.wakeSome(ctx); err != nil {
		return err
	}
	return l.end(cancel)
}

// reader waits once. Its stack is part of the measurement, so it keeps only Wait's
// arguments and results, and reportAwake does the rest.
func (l *lot) reader(ctx context.Context, i int) {
	r, err := l.s.Wait(ctx, l.ID(i), store.QueryOptions{MinQueryIndex: l.since, MaxQueryTime: 10 * time.Minute})
	l.reportAwake(ctx, i, &r, err)
}

// reportAwake reports an awake reader, unless its context ended it.
//
//go:noinline
func (l *lot) reportAwake(ctx context.Context, i int, r *store.WaitResult, err error) {
	w := woken{i, time.Now(), *r}
	defer l.left.Done()
	if errors.Is(err, context.Canceled) {
		l.ended.Add(1)
		return
	}
	l.woke.Add(1)
	if err != nil {
		select {
		case l.trouble <- fmt.Errorf("wait for %s: %w", l.ID(w.i), err):
		default:
		}
		return
	}
	select {
	case l.awake <- w:
	case <-ctx.Done():
	}
}

// parked waits until all readers are blocked.
func (l *lot) parked() error {
	n, ok := program.Await(l.readers, l.patience, func() int { return l.s.Stats().Waiters })
	if !ok {
		return fmt.Errorf("%d of %d readers are parked, and no more for %v", n, l.readers, l.patience)
	}
	return nil
}

// wakeSome updates the allocations of some readers, which must wake. Then it updates
// as many allocations without a reader, which must wake none of the others.
func (l *lot) wakeSome(ctx context.Context) error {
	fromCall, fromAnswer := new(report.Histogram), new(report.Histogram)
	timing := report.Start("wake one reader")
	order := rand.New(rand.NewPCG(l.Seed, 3)).Perm(l.readers)[:l.wakes]
	for _, k := range order {
		if err := l.wakeOne(ctx, k*l.stride, fromCall, fromAnswer); err != nil {
			return err
		}
	}
	timing.End(l.Report, l.progress, l.wakes, fromCall)
	for n, k := range order {
		i := k * l.stride // its reader has ended
		if l.stride > 1 && n%2 == 0 {
			i++ // it had no reader
		}
		if _, err := l.write(ctx, i); err != nil {
			return err
		}
	}
	time.Sleep(settling)
	woke := int(l.woke.Load())
	l.AtMost("readers that woke for nothing", float64(woke-l.wakes), "", 0)
	if woke != l.wakes {
		return fmt.Errorf("%d readers woke, %d of them for a change to what they wait on", woke, l.wakes)
	}
	l.Record("p50 from the update's answer to the reader awake", float64(fromAnswer.Quantile(.5).Nanoseconds())/1e3, "µs")
	l.Record("p99 from the update's answer to the reader awake", float64(fromAnswer.Quantile(.99).Nanoseconds())/1e3, "µs")
	return nil
}

// wakeOne updates one allocation, and waits for its reader.
func (l *lot) wakeOne(ctx context.Context, i int, fromCall, fromAnswer *report.Histogram) error {
	began := time.Now()
	if _, err := l.write(ctx, i); err != nil {
		return err
	}
	answered := time.Now()
	select {
	case w := <-l.awake:
		if r := w.result; w.i != i || r.Outcome != store.Changed || r.ID != l.ID(i) || r.Index != l.last[i] || r.Alloc == nil || r.Alloc.ModifyIndex != r.Index {
			return fmt.Errorf("%s changed at %d; the reader of %s woke with %v for %s at %d", l.ID(i), l.last[i], l.ID(w.i), r.Outcome, r.ID, r.Index)
		}
		fromCall.Record(w.at.Sub(began))
		fromAnswer.Record(w.at.Sub(answered))
		return nil
	case err := <-l.trouble:
		return err
	case <-time.After(l.patience):
		return fmt.Errorf("the reader of %s did not wake within %v of a change", l.ID(i), l.patience)
	}
}

// end ends the remaining readers by their context.
func (l *lot) end(cancel func()) error {
	timing := report.Start("end readers by their context")
	cancel()
	l.left.Wait()
	left := l.readers - l.wakes
	timing.End(l.Report, l.progress, left, nil)
	if ended := int(l.ended.Load()); ended != left || l.s.Stats().Waiters != 0 {
		return fmt.Errorf("%d readers were ended by their context, want %d; %d are still registered", ended, left, l.s.Stats().Waiters)
	}
	return nil
}
