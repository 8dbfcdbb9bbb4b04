package backup

import (
	"runtime"
	"sync"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// decodePage is the number of records that are decoded at once: some milliseconds.
const decodePage = 512

// A decoder decodes the parts of all records while they arrive, on all processors, and keeps nothing. Decoding takes
// most of the time that a stream needs, and this hides it behind the network and the disk. The parts of
// an allocation are in different records, and each is decoded on its own.
type decoder struct {
	codec  schema.Codec
	page   []record.Record
	pages  chan []record.Record
	tasks  sync.WaitGroup
	failed atomic.Bool // some part or job cannot be used
}

func newDecoder() *decoder {
	d := &decoder{pages: make(chan []record.Record)}
	for range runtime.GOMAXPROCS(0) {
		d.tasks.Go(func() {
			for page := range d.pages {
				d.decode(page)
			}
		})
	}
	return d
}

func (d *decoder) decode(page []record.Record) {
	if d.failed.Load() {
		return
	}
	for i := range page {
		if err := state.DecodeParts(&d.codec, &page[i]); err != nil {
			d.failed.Store(true)
			return
		}
	}
}

// job decodes a job.
func (d *decoder) job(body []byte) {
	if err := state.DecodeJob(&d.codec, record.UnsafeString(body)); err != nil {
		d.failed.Store(true)
	}
}

// add gives the decoder a record, whose parts stay as they are.
func (d *decoder) add(r *record.Record) {
	if d.page = append(d.page, *r); len(d.page) == decodePage {
		d.pages <- d.page
		d.page = make([]record.Record, 0, decodePage)
	}
}

// finish waits for all records, and reports whether all can be used.
func (d *decoder) finish() bool {
	d.pages <- d.page
	close(d.pages)
	d.tasks.Wait()
	return !d.failed.Load()
}
