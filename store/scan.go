package store

import (
	"go.etcd.io/bbolt"
)

// A scan reads a log from its first record to its last in a goroutine of its
// own, verifies that the keys ascend and what the records' checksums say, and
// hands the records over in pages.
type scan struct {
	path string
	log  *bbolt.Bucket
	last uint64 // the store's last index, above which no record may be

	pages  chan []scanned // closed at the end
	used   chan []scanned // pages that are done with
	cancel chan struct{}
	err    error // valid once pages is closed: why the scan ended before the log did
}

// A scanned record is one that was read. Its parts alias the file.
type scanned struct {
	key                 key
	size                int // bytes in the file, key included
	record              record
	schedSum, clientSum uint32
}

const (
	scanPage  = 256
	scanPages = 4
)

// startScan begins a scan within the transaction of log, which must not end
// before stop has returned.
func startScan(path string, log *bbolt.Bucket, last uint64) *scan {
	sc := &scan{
		path: path, log: log, last: last,
		pages:  make(chan []scanned, scanPages),
		used:   make(chan []scanned, scanPages+2),
		cancel: make(chan struct{}),
	}
	for range cap(sc.used) {
		sc.used <- make([]scanned, 0, scanPage)
	}
	go func() {
		defer close(sc.pages)
		sc.err = sc.run()
	}()
	return sc
}

// stop ends the scan early if need be, and waits for its end.
func (sc *scan) stop() {
	close(sc.cancel)
	for range sc.pages {
	}
}

func (sc *scan) run() (err error) {
	defer contain(sc.path, &err)()
	c := sc.log.Cursor()
	page := <-sc.used
	var last key
	for k, v := c.First(); k != nil; k, v = c.Next() {
		rec, err := sc.read(last, k, v)
		if err != nil {
			return err
		}
		last = rec.key
		if page = append(page, rec); len(page) == cap(page) {
			if page = sc.turn(page); page == nil {
				return nil
			}
		}
	}
	sc.turn(page)
	return nil
}

// turn hands page over and returns an empty one, or nil if the scan was stopped.
func (sc *scan) turn(page []scanned) []scanned {
	select {
	case sc.pages <- page:
	case <-sc.cancel:
		return nil
	}
	select {
	case page = <-sc.used:
		return page[:0]
	case <-sc.cancel:
		return nil
	}
}

// read returns the record in v under k, which comes after last.
func (sc *scan) read(last key, k, v []byte) (scanned, error) {
	if len(k) != keyLen {
		return scanned{}, corruptAt(last, "followed by a key of %d bytes", len(k))
	}
	at := parseKey(k)
	if !at.after(last) || at.index > sc.last {
		return scanned{}, corruptAt(at, "after %v, in a store whose last index is %d", last, sc.last)
	}
	r, err := parseRecord(at, v)
	if err != nil {
		return scanned{}, corruptAt(at, "%v", err)
	}
	return scanned{at, len(k) + len(v), r, sumOf(r.sched), sumOf(r.client)}, nil
}
