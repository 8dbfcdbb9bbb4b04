package store

import (
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// copyBytes bounds the bytes copied in one transaction, and so the pause of writers at the
// end of a rewrite, and the memory of a backup.
const copyBytes = 1 << 20

// A logCopy reads the log in the order of its keys, some records in each transaction, with
// each job before the first record that names it.
type logCopy struct {
	st   *state.State
	last uint64     // the index of the last record to copy
	next record.Key // of the first record that has not been copied
	jobs map[record.JobHash]bool
}

func newLogCopy(st *state.State, last uint64) logCopy {
	return logCopy{st: st, last: last, jobs: make(map[record.JobHash]bool)}
}

// read gives the next records to put, and their new jobs to putJob. Damaged ones are passed
// on unchanged. It returns the bytes copied, and whether there is more.
func (c *logCopy) read(t logfile.Tx, putJob func(h record.JobHash, body []byte, damaged bool) error, put func(*logfile.Entry) error) (n int, more bool, err error) {
	for e, err := range t.Records(c.next) {
		if err != nil || e.Key.Index > c.last {
			return n, false, err
		}
		if n >= copyBytes {
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
