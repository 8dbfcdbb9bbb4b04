package state

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// decodePage is the number of allocations that DecodeEach decodes in one transaction: some
// milliseconds.
const decodePage = 512

// A located is an allocation of the table.
type located struct {
	id schema.ID
	v  *Version
}

// DecodeEach decodes every allocation that is not quarantined, without keeping it, and reports
// those that no reader could use. It stops when fault returns an error, or ctx ends. It decodes on all
// processors, and calls fault from one goroutine at a time.
func (st *State) DecodeEach(ctx context.Context, fault func(schema.ID, error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	report := func(id schema.ID, err error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if err := fault(id, err); err != nil {
			cancel(err)
		}
	}
	pages := make(chan []located)
	var decoders sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		decoders.Go(func() {
			for page := range pages {
				st.decodePage(ctx, page, report)
			}
		})
	}
	var page []located
	for id, v := range st.Table.All() {
		if ctx.Err() != nil {
			break
		}
		if st.Damaged.Covers(v) {
			continue
		}
		if page = append(page, located{id, v}); len(page) == decodePage {
			pages <- page
			page = make([]located, 0, decodePage)
		}
	}
	pages <- page
	close(pages)
	decoders.Wait()
	return context.Cause(ctx)
}

// decodePage decodes some allocations in one transaction, or in another one after each fault: a
// fault of the mapped file ends the transaction.
func (st *State) decodePage(ctx context.Context, page []located, report func(schema.ID, error)) {
	for n := 0; n < len(page) && ctx.Err() == nil; n++ {
		err := st.File.View(func(t logfile.Tx) error {
			for ; n < len(page) && ctx.Err() == nil; n++ {
				a, err := st.Assemble(t, page[n].id, page[n].v.Pair())
				if err == nil && a != nil {
					err = usable(a)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			report(page[min(n, len(page)-1)].id, err)
		}
	}
}

// DecodeParts decodes the parts of a record, without keeping them, and returns why no reader could use them. If
// all parts and all jobs of a log pass, so does every allocation in DecodeEach.
func DecodeParts(codec *schema.Codec, r *record.Record) error {
	a := new(schema.Allocation)
	if r.Sched != "" {
		if err := codec.DecodeScheduler(r.Sched, r.ID, a); err != nil {
			return err
		}
	}
	if r.Client != "" {
		if err := codec.DecodeClient(r.Client, a); err != nil {
			return err
		}
	}
	return usable(a)
}

// DecodeJob is DecodeParts for a job.
func DecodeJob(codec *schema.Codec, body string) error {
	j, err := codec.DecodeJob(body)
	if err != nil {
		return err
	}
	return usable(&schema.Allocation{Job: j})
}

// usable returns why no reader could use a: a nil entry, a number that JSON has no form for, or a
// PreviousAllocation that is not an ID. No release has written one. It is not Validate, which
// grows stricter about input while stored content stays as it is.
func usable(a *schema.Allocation) error {
	for name, ts := range a.TaskStates {
		if ts == nil {
			return fmt.Errorf("task %q has a nil state", name)
		}
	}
	for name, r := range a.TaskResources {
		if r == nil {
			return fmt.Errorf("task %q has nil resources", name)
		}
	}
	if a.PreviousAllocation != "" {
		if _, err := schema.ParseID(a.PreviousAllocation); err != nil {
			return fmt.Errorf("previous allocation: %w", err)
		}
	}
	if a.Metrics != nil {
		for name, score := range a.Metrics.Scores {
			if !finite(score) {
				return fmt.Errorf("score %q is %v", name, score)
			}
		}
	}
	if a.Job == nil {
		return nil
	}
	for _, g := range a.Job.TaskGroups {
		for _, t := range g.Tasks {
			if !finite(t.Config) {
				return fmt.Errorf("config of task %q has a number that is NaN or infinite", t.Name)
			}
		}
	}
	return nil
}

// finite reports whether a decoded free-form value has no number that is NaN or infinite.
func finite(v any) bool {
	switch v := v.(type) {
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !finite(e) })
	case map[string]any:
		for _, e := range v {
			if !finite(e) {
				return false
			}
		}
	}
	return true
}
