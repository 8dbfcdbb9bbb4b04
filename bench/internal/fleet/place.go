package fleet

import (
	"context"
	"time"

	"allocstore/bench/internal/report"
	"allocstore/store"
)

// Place inserts all allocations into the store, one job a batch. It passes each job
// and its index to placed, and returns the latencies of the batches.
func (f *Fleet) Place(ctx context.Context, s *store.Store, placed func(job int, index uint64)) (*report.Histogram, error) {
	h := new(report.Histogram)
	for k := range f.Jobs() {
		start := time.Now()
		var b store.Batch
		from, to := f.JobRange(k)
		for i := from; i < to; i++ {
			b.Upsert(f.Alloc(i))
		}
		applied, err := s.Apply(ctx, &b)
		if err != nil {
			return nil, err
		}
		placed(k, applied.Index)
		h.Record(time.Since(start))
	}
	return h, nil
}
