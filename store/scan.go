package store

import (
	"errors"

	"allocstore/store/internal/boltfile"
)

// A scan reads a log from its first record to its last in a goroutine of its
// own, verifies that the keys ascend and what the records' checksums say, and
// hands the records over in blocks.
type scan struct {
	file *boltfile.File
	log  boltfile.Bucket
	last uint64 // the store's last index, above which no record may be

	blocks chan *block // closed at the end
	used   chan *block // those that are done with
	cancel chan struct{}
	err    error // valid once blocks is closed: why the scan ended before the log did

	at  key // of the last record read
	sum contentSum
	cur *block // being filled
}

// A block is what was read of the file at once, and the records that are there.
type block struct {
	buf     []byte
	records []scanned
}

// A scanned record is one that was read. Its parts alias the block.
type scanned struct {
	key                 key
	size                int // bytes in the file, key included
	record              record
	schedSum, clientSum uint32
	where               placement // with a scheduler's part
	damaged             bool      // only the header can be read
	valueSum            uint32    // of a damaged one: the checksum of what is there
}

// scanBlocks is how many blocks there are, and so how far a scan may be ahead.
const scanBlocks = 4

var errCanceled = errors.New("scan canceled")

// startScan begins a scan of the bucket.
func startScan(f *boltfile.File, log boltfile.Bucket, last uint64) *scan {
	sc := &scan{
		file: f, log: log, last: last,
		blocks: make(chan *block, scanBlocks),
		used:   make(chan *block, scanBlocks),
		cancel: make(chan struct{}),
		cur:    new(block),
	}
	for range scanBlocks - 1 {
		sc.used <- new(block)
	}
	go func() {
		defer close(sc.blocks)
		if sc.err = f.Walk(log, sc.take, sc.turn); sc.err == nil {
			_, sc.err = sc.turn(nil)
		}
	}()
	return sc
}

// stop ends the scan early if need be, and waits for its end.
func (sc *scan) stop() {
	close(sc.cancel)
	for range sc.blocks {
	}
	if errors.Is(sc.err, errCanceled) {
		sc.err = nil
	}
}

// turn hands over the records that are in buf, and returns another buffer.
func (sc *scan) turn(buf []byte) ([]byte, error) {
	sc.cur.buf = buf
	if len(sc.cur.records) == 0 {
		return buf, nil
	}
	select {
	case sc.blocks <- sc.cur:
	case <-sc.cancel:
		return nil, errCanceled
	}
	select {
	case sc.cur = <-sc.used:
		sc.cur.records = sc.cur.records[:0]
		return sc.cur.buf, nil
	case <-sc.cancel:
		return nil, errCanceled
	}
}

// take reads the record in v under k.
func (sc *scan) take(k, v []byte) error {
	if len(k) != keyLen {
		return corruptAt(sc.at, "followed by a key of %d bytes", len(k))
	}
	at := parseKey(k)
	if at.index == 0 || at.index > sc.last {
		return corruptAt(at, "in a store whose last index is %d", sc.last)
	}
	r, err := parseRecord(at, v)
	damaged := err == errDamaged
	if err != nil && !damaged {
		return corruptAt(at, "%v", err)
	}
	var where placement
	if r.flags&flagSched != 0 && !damaged {
		if where, err = placementIn(r.sched); err != nil {
			return corruptAt(at, "scheduler's part: %v", err)
		}
	}
	sc.at = at
	sc.sum.add(ofRecord(at, v))
	rec := scanned{at, len(k) + len(v), r, sumOf(r.sched), sumOf(r.client), where, damaged, 0}
	if damaged {
		rec.valueSum = sumOf(aliasOf(v))
	}
	sc.cur.records = append(sc.cur.records, rec)
	return nil
}
