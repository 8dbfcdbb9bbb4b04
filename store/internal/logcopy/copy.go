package logcopy

import (
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// StepBytes bounds the bytes copied in one step, apart from the last record and its job. So it
// bounds the pause of writers at the end of a rewrite, and the memory of a backup.
const StepBytes = 1 << 20

// A Copy reads the log in the order of its keys, with each job before the first record that
// names it. One goroutine at a time uses it.
type Copy struct {
	st   *state.State
	last uint64     // the index of the last record to copy
	next record.Key // of the first record that has not been copied
	jobs map[record.JobHash]bool
}

// New returns a copy of the log of st that begins with the first record. last is the index of
// the last record to copy; math.MaxUint64 copies all that there is.
func New(st *state.State, last uint64) *Copy {
	return &Copy{st: st, last: last, jobs: make(map[record.JobHash]bool)}
}

// File returns the file that is copied.
func (c *Copy) File() *logfile.File { return c.st.File }

// Jobs returns the set of the jobs that were copied so far. It belongs to the copy, and grows
// with each step.
func (c *Copy) Jobs() map[record.JobHash]bool { return c.jobs }

// Step gives the next records to put, and their new jobs to putJob. Damaged ones are passed
// on unchanged. Bodies and entries are valid until the transaction t ends. Step returns the
// bytes copied, and whether there is more.
//
// Errors: those of put and putJob; ErrCorrupt for a page or a job with damage that the state does
// not know. After an error the copy cannot go on.
func (c *Copy) Step(t logfile.Tx, putJob func(h record.JobHash, body []byte, damaged bool) error, put func(*logfile.Entry) error) (n int, more bool, err error) {
	for e, err := range t.Records(c.next) {
		if err != nil || e.Key.Index > c.last {
			return n, false, err
		}
		if n >= StepBytes {
			return n, true, nil
		}
		if e.Flags&record.FlagSched != 0 && !c.jobs[e.Job] {
			body, err := t.Job(e.Job)
			damaged := err != nil
			if damaged && !c.st.Damaged.HasJob(e.Job) {
				return n, false, err
			}
			if err := putJob(e.Job, body, damaged); err != nil {
				return n, false, err
			}
			c.jobs[e.Job] = true
			n += len(body)
		}
		if err := put(&e); err != nil {
			return n, false, err
		}
		c.next = e.Key.Next()
		n += e.Size()
	}
	return n, false, nil
}
