package backup

import (
	"context"
	"fmt"
	"io"

	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logcopy"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A Content is the content of a backup: the log of a state up to an index.
type Content struct {
	State *state.State

	// Manifest has the index as Last, and the other numbers as of it. Its Sum is not used.
	Manifest logfile.Manifest

	// Records is the content sum of the records up to the index, or nil if it is unknown.
	Records *record.ContentSum
}

// Counts count the written frames and bytes.
type Counts struct {
	Records, Jobs, Damaged int
	Bytes                  int64
}

// Write writes the content to w. It calls valid after each read of the file, and ends with its error:
// the file may have been replaced meanwhile.
//
// It blocks until everything is written. It returns ctx's error between two writes;
// record.ErrCorrupt if the records differ from those that were committed; and the errors of w and
// valid.
func (c *Content) Write(ctx context.Context, w io.Writer, valid func() error) (Counts, error) {
	wr := writer{Content: c, w: w, valid: valid, log: logcopy.New(c.State, c.Manifest.Last), manifest: c.Manifest}
	wr.manifest.Sum = 0
	err := wr.run(ctx)
	return wr.counts, err
}

// A writer is the work of one Write.
type writer struct {
	*Content
	w      io.Writer
	valid  func() error
	counts Counts

	log      *logcopy.Copy
	records  record.ContentSum // of the records that were copied
	buf      []byte            // goes to w next
	manifest logfile.Manifest  // of the copied content
}

func (w *writer) run(ctx context.Context) error {
	w.buf = backupstream.AppendMagic(w.buf)
	w.buf = backupstream.AppendHead(w.buf, backupstream.Head{Index: w.manifest.Last})
	if note := w.manifest.Note; note != "" { // a job to older releases, and counted as one
		w.buf = backupstream.AppendFrame(w.buf, backupstream.JobFrame, []byte(note))
	}
	for more := true; more; {
		var err error
		if more, err = w.read(ctx); err == nil && more {
			err = w.flush()
		}
		if err != nil {
			return err
		}
	}
	if want := w.Records; want != nil && w.records != *want {
		return fmt.Errorf("%w: what was read is not what was written: the records' sum is %x, and should be %x", record.ErrCorrupt, w.records, *want)
	}
	w.foot()
	return w.flush()
}

// read appends as many frames as one transaction may read to buf, and reports whether there
// are more.
func (w *writer) read(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = w.log.File().View(func(t logfile.Tx) (err error) {
		_, more, err = w.log.Step(t, w.job, w.record)
		return err
	})
	if e := w.valid(); e != nil {
		return false, e
	}
	return more, err
}

// record appends the frame of a record.
func (w *writer) record(e *logfile.Entry) error {
	if e.Damaged {
		w.counts.Damaged++
	}
	w.counts.Records++
	w.records.Add(record.SumNumber(e.Key, e.Value))
	w.buf = backupstream.AppendFrame(w.buf, backupstream.RecordFrame, e.Key.AppendTo(nil), e.Value)
	return nil
}

// job appends the frame of a job.
func (w *writer) job(h record.JobHash, body []byte, damaged bool) error {
	if damaged {
		w.counts.Damaged++
		w.buf = backupstream.AppendFrame(w.buf, backupstream.DamagedJobFrame, h[:], body)
	} else {
		w.buf = backupstream.AppendFrame(w.buf, backupstream.JobFrame, body)
	}
	w.counts.Jobs++
	w.manifest.Sum.Add(h.SumNumber())
	return nil
}

// foot appends the last frame, which counts the note as a job.
func (w *writer) foot() {
	w.manifest.Sum += w.records
	jobs := uint64(w.counts.Jobs)
	if w.manifest.Note != "" {
		jobs++
	}
	w.buf = backupstream.AppendFoot(w.buf, backupstream.Foot{
		Floor: w.manifest.Floor, Restored: w.manifest.Restored,
		Records: uint64(w.counts.Records), Jobs: jobs, Sum: w.manifest.Total(),
	})
}

func (w *writer) flush() error {
	n, err := w.w.Write(w.buf)
	w.counts.Bytes += int64(n)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	w.buf = w.buf[:0]
	return err
}
