package store

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"allocstore/schema"
)

// A jobHash names a job by its content: the first half of the SHA-256 of its
// canonical encoding, so equal jobs have equal hashes, and nobody can make two
// different ones that do.
type jobHash [16]byte

func hashJob(body string) jobHash {
	sum := sha256.Sum256(bytesOf(body))
	return jobHash(sum[:])
}

// A job is one distinct job, shared by all allocations that carry it. It is two
// thirds of an allocation's JSON, which is why the file and the memory hold each
// once.
type job struct {
	hash    jobHash
	decoded atomic.Pointer[schema.Job] // nil until first used; see decode
}

// jobs are all jobs in the file, by content. The committer adds to them, once
// the job is durable; anybody looks them up.
type jobs struct {
	mu struct {
		sync.RWMutex // guards byHash; a leaf lock, nothing is called under it
		byHash       map[jobHash]*job
	}
}

func newJobs() *jobs {
	j := new(jobs)
	j.mu.byHash = make(map[jobHash]*job)
	return j
}

// get returns the job of that hash, or nil.
func (js *jobs) get(h jobHash) *job {
	js.mu.RLock()
	defer js.mu.RUnlock()
	return js.mu.byHash[h]
}

// add makes j known, unless its content is known already.
func (js *jobs) add(j *job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.mu.byHash[j.hash] == nil {
		js.mu.byHash[j.hash] = j
	}
}

// keep forgets all jobs but those.
func (js *jobs) keep(used map[jobHash]bool) {
	js.mu.Lock()
	defer js.mu.Unlock()
	maps.DeleteFunc(js.mu.byHash, func(h jobHash, _ *job) bool { return !used[h] })
}

// sumWithout is the content's sum of all jobs but those.
func (js *jobs) sumWithout(these map[jobHash]bool) (sum contentSum) {
	js.mu.RLock()
	defer js.mu.RUnlock()
	for h := range js.mu.byHash {
		if !these[h] {
			sum.add(ofJob(h))
		}
	}
	return sum
}

// become takes over the jobs of others, which nobody else uses.
func (js *jobs) become(o *jobs) {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.mu.byHash = o.mu.byHash
}

func (js *jobs) len() int {
	js.mu.RLock()
	defer js.mu.RUnlock()
	return len(js.mu.byHash)
}

// job returns the encoded job of that hash, which aliases the file; with an error, what
// is there instead.
func (r reading) job(h jobHash) ([]byte, error) {
	body := r.jobs().Get(h[:])
	if hashJob(aliasOf(body)) != h {
		return body, fmt.Errorf("%w: job %x: %w", ErrCorrupt, h, errDamaged)
	}
	return body, nil
}

// decode returns the job's content, by r when it is not in memory yet.
func (j *job) decode(r reading) (*schema.Job, error) {
	if d := j.decoded.Load(); d != nil {
		return d, nil
	}
	body, err := r.job(j.hash)
	if err != nil {
		return nil, err
	}
	d, err := schema.DecodeJob(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: job %x: %w", ErrCorrupt, j.hash, err)
	}
	j.decoded.CompareAndSwap(nil, d)
	return j.decoded.Load(), nil
}
