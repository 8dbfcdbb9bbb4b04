package state

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// A Job is one distinct job, shared by all allocations that carry it. A job is two thirds
// of an allocation's JSON, so the file and the memory hold each once.
type Job struct {
	Hash    record.JobHash
	decoded atomic.Pointer[schema.Job] // nil until first used; see decode
}

// Jobs are all jobs in the file, by hash. The committer adds a job when it is durable; any
// goroutine looks jobs up.
type Jobs struct {
	mu struct {
		sync.RWMutex // guards byHash; a leaf lock
		byHash       map[record.JobHash]*Job
	}
}

func (js *Jobs) init() { js.mu.byHash = make(map[record.JobHash]*Job) }

// Get returns the job of that hash, or nil.
func (js *Jobs) Get(h record.JobHash) *Job {
	js.mu.RLock()
	defer js.mu.RUnlock()
	return js.mu.byHash[h]
}

// Add adds j, unless its hash is known already.
func (js *Jobs) Add(j *Job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.mu.byHash[j.Hash] == nil {
		js.mu.byHash[j.Hash] = j
	}
}

// Keep forgets all other jobs.
func (js *Jobs) Keep(used map[record.JobHash]bool) {
	js.mu.Lock()
	defer js.mu.Unlock()
	maps.DeleteFunc(js.mu.byHash, func(h record.JobHash, _ *Job) bool { return !used[h] })
}

// SumWithout returns the content sum of all jobs except the given ones.
func (js *Jobs) SumWithout(these map[record.JobHash]bool) (sum record.ContentSum) {
	js.mu.RLock()
	defer js.mu.RUnlock()
	for h := range js.mu.byHash {
		if !these[h] {
			sum.Add(h.SumNumber())
		}
	}
	return sum
}

// Len returns the number of jobs.
func (js *Jobs) Len() int {
	js.mu.RLock()
	defer js.mu.RUnlock()
	return len(js.mu.byHash)
}

// loadJob adds a job of the file. It is decoded when an allocation needs it.
func (st *State) loadJob(k, v []byte) error {
	if len(k) != len(record.JobHash{}) {
		return fmt.Errorf("%w: bucket jobs: key of %d bytes", record.ErrCorrupt, len(k))
	}
	h := record.JobHash(k)
	if is := record.HashJob(record.UnsafeString(v)); is != h {
		st.Damaged.addJob(h, is)
	}
	st.Jobs.Add(&Job{Hash: h})
	st.Size.Jobs.Add(int64(len(k) + len(v)))
	return nil
}

// A jobCache looks jobs up, and remembers the latest: neighbours in the log often share it.
type jobCache struct {
	jobs   *Jobs
	latest *Job
}

// get returns the job of that hash, or nil.
func (c *jobCache) get(h record.JobHash) *Job {
	if c.latest == nil || c.latest.Hash != h {
		c.latest = c.jobs.Get(h)
	}
	return c.latest
}

// decode returns the job's content. It reads the file if the job is not in memory yet.
func (j *Job) decode(t logfile.Tx, codec *schema.Codec) (*schema.Job, error) {
	if d := j.decoded.Load(); d != nil {
		return d, nil
	}
	body, err := t.Job(j.Hash)
	if err != nil {
		return nil, err
	}
	d, err := codec.DecodeJob(record.UnsafeString(body))
	if err != nil {
		return nil, fmt.Errorf("%w: job %x: %w", record.ErrCorrupt, j.Hash, err)
	}
	j.decoded.CompareAndSwap(nil, d)
	return j.decoded.Load(), nil
}
