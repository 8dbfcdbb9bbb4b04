package plan

import (
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// newJobs are the jobs of a group that the file lacks, or has damaged.
type newJobs struct {
	st     *state.State
	byHash map[record.JobHash]*newJob
	bytes  int64 // an upper bound of the room that they take in the file
}

// jobOverhead bounds the room that a new job takes in the file beside its body: a copy of its page.
const jobOverhead = 4 << 10

// A newJob is a job that the group adds to the file, or rewrites there.
type newJob struct {
	*state.Job
	body     string // "" once it is put
	size     int    // bytes that it adds to the file
	rewrites bool   // the file has the job, damaged
}

// canonical returns the job as the store has it, or will have it. A job that is damaged in
// the file is rewritten.
func (js *newJobs) canonical(in *Job) *state.Job {
	known := js.st.Jobs.Get(in.Hash)
	rewrites := known != nil && js.st.Damaged.HasJob(in.Hash)
	if known != nil && !rewrites {
		return known
	}
	j := js.byHash[in.Hash]
	if j == nil {
		if known == nil {
			known = &state.Job{Hash: in.Hash}
		}
		j = &newJob{Job: known, body: in.Body, size: len(in.Hash) + len(in.Body), rewrites: rewrites}
		js.byHash[in.Hash] = j
		js.bytes += int64(j.size + jobOverhead)
	}
	return j.Job
}

// put writes j if it is new and not written yet. A tombstone has no job. A job that no change
// refers to is never written.
func (js *newJobs) put(tx logfile.Tx, j *state.Job) error {
	if j == nil || len(js.byHash) == 0 {
		return nil
	}
	n := js.byHash[j.Hash]
	if n == nil || n.body == "" {
		return nil
	}
	body := n.body
	n.body = ""
	replaced, err := tx.PutJob(j.Hash, record.UnsafeBytes(body))
	if n.rewrites {
		n.size -= len(j.Hash) + replaced
	} else {
		js.st.Manifest.Sum.Add(j.Hash.SumNumber())
	}
	return err
}

// publish makes the written jobs known.
func (js *newJobs) publish() {
	for _, j := range js.byHash {
		if j.body != "" {
			continue
		}
		js.st.Jobs.Add(j.Job)
		js.st.Size.Jobs.Add(int64(j.size))
		if j.rewrites {
			js.st.JobRewritten(j.Hash)
		}
	}
}

func (js *newJobs) reset() {
	js.st, js.bytes = nil, 0
	clear(js.byHash)
}
