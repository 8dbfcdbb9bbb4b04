package state

import (
	"errors"

	"allocstore/schema"
	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// A scan reads a log from its first record to its last in a goroutine of its own. It
// verifies the order of the keys and the checksums, and hands the records over in blocks.
type scan struct {
	file *boltfile.File
	log  boltfile.Bucket
	last uint64 // the last index; no record is above it

	blocks chan *block // closed at the end
	used   chan *block // returned by the receiver
	cancel chan struct{}
	err    error // valid once blocks is closed: why the scan ended early

	next record.Key // the lowest that can follow
	sum  record.ContentSum
	cur  *block // being filled
}

// A block is a part of the file that was read at once, and the records in it.
type block struct {
	buf     []byte
	records []scanned
}

// A scanned record aliases its block.
type scanned struct {
	logfile.Entry
	sched  schema.Placement // of the scheduler's part
	client string           // the status in the client's part
	sums   [2]uint32        // of the scheduler's and of the client's part
}

// scanBlocks is the number of blocks, and so how far a scan may be ahead.
const scanBlocks = 4

var errCanceled = errors.New("scan canceled")

// startScan starts a scan of the bucket.
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
		if sc.err = f.Walk(log, sc.visit, sc.send); sc.err == nil {
			_, sc.err = sc.send(nil)
		}
	}()
	return sc
}

// stop ends the scan, if it has not ended, and waits for its goroutine.
func (sc *scan) stop() {
	close(sc.cancel)
	for range sc.blocks {
	}
	if errors.Is(sc.err, errCanceled) {
		sc.err = nil
	}
}

// send hands over the records in buf, and returns another buffer.
func (sc *scan) send(buf []byte) ([]byte, error) {
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

// visit verifies the record v under k and adds it to the block.
func (sc *scan) visit(k, v []byte) error {
	e, err := logfile.ParseEntry(k, v, sc.next)
	if err != nil {
		return err
	}
	if e.Key.Index == 0 || e.Key.Index > sc.last {
		return record.CorruptAt(e.Key, "in a store whose last index is %d", sc.last)
	}
	rec := scanned{Entry: e, sums: [2]uint32{record.PartSum(e.Sched), record.PartSum(e.Client)}}
	if e.Flags&record.FlagSched != 0 && !e.Damaged {
		if rec.sched, err = codec.Placement(e.Sched); err != nil {
			return record.CorruptAt(e.Key, "scheduler's part: %v", err)
		}
	}
	if e.Flags&record.FlagClient != 0 && !e.Damaged {
		if rec.client, err = codec.ClientStatus(e.Client); err != nil {
			return record.CorruptAt(e.Key, "client's part: %v", err)
		}
	}
	sc.next = e.Key.Next()
	sc.sum.Add(record.SumNumber(e.Key, v))
	sc.cur.records = append(sc.cur.records, rec)
	return nil
}
