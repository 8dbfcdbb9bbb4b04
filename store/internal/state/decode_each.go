package state

import (
	"context"
	"runtime"
	"sync"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
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

// decodePage decodes some allocations in one transaction, or in another one after each fault: a fault of
// the mapped file ends the transaction.
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
