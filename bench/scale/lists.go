package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"allocstore/bench/internal/fleet"
	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// A listLot is a store with a blocked reader for the list of each node. Reader k waits for
// the list of node k again and again.
type listLot struct {
	config
	*fleet.Fleet
	*report.Report
	progress io.Writer
	s        *store.Store
	since    uint64 // MinQueryIndex of all readers at first
	patience time.Duration
	awake    chan listed
	left     sync.WaitGroup
	woke     atomic.Int64 // for any reason but their context
	expected int          // of them
}

// listed is the result of a reader's wait.
type listed struct {
	node   int
	at     time.Time
	result store.ListResult
	err    error
}

// measureLists measures the readers of lists on a store of their own in dir.
func measureLists(ctx context.Context, c config, dir string, r *report.Report, progress io.Writer) error {
	l, err := newListLot(c, filepath.Join(dir, "lists.db"), r, progress)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "with %d allocations on %d nodes:\n", c.listed, c.nodes)
	err = l.all(ctx)
	fmt.Fprintf(progress, "with the others:\n")
	return errors.Join(err, l.s.Close())
}

func newListLot(c config, path string, r *report.Report, progress io.Writer) (*listLot, error) {
	f, err := fleet.New(c.Sample, c.listed, c.Seed)
	if err != nil {
		return nil, err
	}
	f.Spread(c.nodes)
	s, err := store.Open(path, nil)
	if err != nil {
		return nil, err
	}
	return &listLot{config: c, Fleet: f, Report: r, progress: progress, s: s, patience: program.Patience, awake: make(chan listed, c.nodes)}, nil
}

// all runs all phases.
func (l *listLot) all(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.left.Wait()
	defer cancel()
	timing := report.Start("place on nodes")
	h, err := l.Place(ctx, l.s, func(int, uint64) {})
	if err != nil {
		return err
	}
	timing.End(l.Report, l.progress, l.Len(), h)
	if err := l.park(ctx); err != nil {
		return err
	}
	if err := l.wakeAll(ctx); err != nil {
		return err
	}
	heapBefore, stacksBefore := machine.InUse()
	cancel()
	l.left.Wait()
	heap, stacks := machine.InUse()
	l.Record(fmt.Sprintf("the same after %.2g results of each, without its goroutine's descriptor", float64(l.expected)/float64(l.nodes)),
		float64(heapBefore+stacksBefore-heap-stacks)/float64(l.nodes), "bytes")
	if n := l.s.Stats().Waiters; n != 0 {
		return fmt.Errorf("%d readers of lists are still registered", n)
	}
	return nil
}

// park blocks the readers and measures the memory of one.
func (l *listLot) park(ctx context.Context) error {
	descriptor := machine.DescriptorBytes(l.nodes)
	heapBefore, stacksBefore := machine.InUse()
	l.since = l.s.LastIndex()
	timing := report.Start("park readers of lists")
	for node := range l.nodes {
		l.left.Add(1)
		go l.reader(ctx, node)
	}
	if err := l.parked(); err != nil {
		return err
	}
	timing.End(l.Report, l.progress, l.nodes, nil)
	heap, stacks := machine.InUse()
	each := func(bytes int64) float64 { return float64(bytes) / float64(l.nodes) }
	l.AtMost("a blocked reader of a list", descriptor+each(heap+stacks-heapBefore-stacksBefore), "bytes", 3350)
	l.Record("of it stack", each(stacks-stacksBefore), "bytes")
	return nil
}

// parked waits until all readers are blocked.
func (l *listLot) parked() error {
	n, ok := program.Await(l.nodes, l.patience, func() int { return l.s.Stats().Waiters })
	if !ok {
		return fmt.Errorf("%d of %d readers of lists are parked, and no more for %v", n, l.nodes, l.patience)
	}
	return nil
}

// reader waits until its context ends. Its stack is part of the measurement, so it keeps only
// WaitList's arguments and results.
func (l *listLot) reader(ctx context.Context, node int) {
	for index, more := l.since, true; more; {
		opts := store.QueryOptions{MinQueryIndex: index, MaxQueryTime: 10 * time.Minute}
		r, err := l.s.WaitList(ctx, store.Node(l.NodeID(node)), opts)
		index, more = l.reportAwake(ctx, node, &r, err)
	}
	l.left.Done()
}

// reportAwake reports an awake reader, unless its context ended it.
//
//go:noinline
func (l *listLot) reportAwake(ctx context.Context, node int, r *store.ListResult, err error) (index uint64, more bool) {
	w := listed{node, time.Now(), *r, err}
	if errors.Is(err, context.Canceled) {
		return 0, false
	}
	l.woke.Add(1)
	select {
	case l.awake <- w:
	case <-ctx.Done():
	}
	return r.Index, err == nil
}

// wakeAll places batches while the readers are blocked. Each must wake the readers of its
// nodes, once, and no others.
func (l *listLot) wakeAll(ctx context.Context) error {
	more, err := fleet.New(l.Sample, l.placements*fleet.PerJob, l.Seed+1<<40)
	if err != nil {
		return err
	}
	fromAnswer, fromCall := new(report.Histogram), new(report.Histogram)
	r := rand.New(rand.NewPCG(l.Seed, 4))
	timing := report.Start("wake the readers of a batch's nodes")
	for k := range more.Jobs() {
		touched := make(map[int][]string)
		var b store.Batch
		for i, to := more.JobRange(k); i < to; i++ {
			a, node := more.Alloc(i), r.IntN(l.nodes)
			a.NodeID = l.NodeID(node)
			touched[node] = append(touched[node], a.ID)
			b.Upsert(a)
		}
		if err := l.wakeSome(ctx, &b, touched, fromCall, fromAnswer); err != nil {
			return err
		}
	}
	timing.End(l.Report, l.progress, l.expected, fromCall)
	time.Sleep(settling)
	woke := int(l.woke.Load())
	l.AtMost("readers of lists that woke for nothing", float64(woke-l.expected), "", 0)
	if woke != l.expected {
		return fmt.Errorf("%d readers of lists woke, %d of them for a placement on their node", woke, l.expected)
	}
	l.Record("readers of lists that a batch of 1,000 placements woke, on average", float64(l.expected)/float64(l.placements), "")
	l.Record("p50 from the batch's answer to the reader awake", float64(fromAnswer.Quantile(.5).Nanoseconds())/1e3, "µs")
	l.Record("p99 from the batch's answer to the reader awake", float64(fromAnswer.Quantile(.99).Nanoseconds())/1e3, "µs")
	return nil
}

// wakeSome applies a batch that places on the touched nodes, and waits for their readers.
func (l *listLot) wakeSome(ctx context.Context, b *store.Batch, touched map[int][]string, fromCall, fromAnswer *report.Histogram) error {
	began := time.Now()
	applied, err := l.s.Apply(ctx, b)
	answered := time.Now()
	if err != nil {
		return err
	}
	for l.expected += len(touched); len(touched) > 0; {
		select {
		case w := <-l.awake:
			if err := l.check(&w, applied.Index, touched[w.node]); err != nil {
				return err
			}
			delete(touched, w.node)
			fromCall.Record(w.at.Sub(began))
			fromAnswer.Record(w.at.Sub(answered))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.patience):
			return fmt.Errorf("%d readers of lists did not wake within %v of a placement", len(touched), l.patience)
		}
	}
	return l.parked()
}

// check compares a result with the IDs that were placed on the reader's node.
func (l *listLot) check(w *listed, index uint64, placed []string) error {
	r := &w.result
	got := make([]string, 0, len(r.Changed))
	for _, a := range r.Changed {
		got = append(got, a.ID)
	}
	slices.Sort(placed)
	if w.err != nil || r.Outcome != store.Changed || r.Full || r.Index != index || len(r.Gone) > 0 || len(placed) == 0 || !slices.Equal(got, placed) {
		return fmt.Errorf("reader of node %s: %v at %d with %v and %d departures, error %v; placed at %d: %v",
			l.NodeID(w.node), r.Outcome, r.Index, got, len(r.Gone), w.err, index, placed)
	}
	return nil
}
