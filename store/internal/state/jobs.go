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

// decode returns the job's content. It reads the file if the job is not in memory yet.
func (j *Job) decode(t logfile.Tx) (*schema.Job, error) {
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
