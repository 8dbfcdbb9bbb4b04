package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Kinds of calls.
const (
	opWrite  = "write"
	opRead   = "read" // linearizable
	opLease  = "lease read"
	opStale  = "stale read"
	opOwn    = "read of own write" // on another node, by WaitApplied
	opWait   = "wait"
	opList   = "wait for a list"
	opResume = "feed begins"
	opFollow = "follow"
)

// A call is a call of a client and its reply. Times are in nanoseconds since the beginning of the part.
type call struct {
	Op           string
	Client, Node int
	Begin, End   int64
	failure
	Attempts int    `json:",omitempty"`
	Token    string `json:",omitempty"` // of a write
	Batch    *batch `json:",omitempty"`
	Unknown  []int  `json:",omitempty"`
	Failed   int    `json:",omitempty"` // of a conflict: the allocation, or 0 for a list
	Expected uint64 `json:",omitempty"`
	Actual   uint64 `json:",omitempty"`

	IDs     []int  `json:",omitempty"`
	ID      int    `json:",omitempty"`
	Min     uint64 `json:",omitempty"`
	Index   uint64 `json:",omitempty"` // of the reply
	Applied uint64 `json:",omitempty"`
	Outcome string `json:",omitempty"`
	Row     row    `json:",omitzero"`
	More    []row  `json:",omitempty"`

	List    int         `json:",omitempty"`
	Full    bool        `json:",omitempty"`
	Changed []row       `json:",omitempty"`
	Gone    []departure `json:",omitempty"`
}

// String formats a call for the report of a fault.
func (c call) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	const longest = 1500
	return string(b[:min(len(b), longest)])
}

// A recorder has the calls of a part, and the feed.
type recorder struct {
	began time.Time

	mu     sync.Mutex // guards the fields below
	calls  []call
	feed   map[uint64][]row // by index: the rows of the batch, as the first feed had them
	fed    uint64           // the highest index in the feed
	faults []string
	sorts  map[string]int // the number of faults with the same text around their values
}

func newRecorder(base uint64) *recorder {
	return &recorder{began: time.Now(), feed: make(map[uint64][]row), fed: base, sorts: make(map[string]int)}
}

func (r *recorder) now() int64 { return int64(time.Since(r.began)) }

// add adds a call that has ended.
func (r *recorder) add(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// batch adds a batch of a node's feed. All nodes have the same.
func (r *recorder) batch(m *machine, index uint64, rows []row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fed = max(r.fed, index)
	was, known := r.feed[index]
	if !known {
		r.feed[index] = rows
		return
	}
	if !sameRows(was, rows) {
		r.faultLocked("the feed of node %s has %v at %d, and that of another one %v", m.id, rows, index, was)
	}
}

func (r *recorder) reached() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fed
}

// Bounds of the faults that are reported, and of those of one sort.
const (
	maxFaults = 40
	maxSort   = 4
)

func (r *recorder) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faultLocked(format, args...)
}

func (r *recorder) faultLocked(format string, args ...any) {
	if r.sorts[format]++; len(r.faults) < maxFaults && r.sorts[format] <= maxSort {
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
}

// write writes the history to a file, for a look at a failed run.
func (r *recorder) write(path string, base map[int]row) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	e := json.NewEncoder(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	errs = append(errs, e.Encode(base), e.Encode(r.feed))
	for _, c := range r.calls {
		errs = append(errs, e.Encode(c))
	}
	return errors.Join(errs...)
}

// sameRows reports whether two batches have the same rows, in any order.
func sameRows(a, b []row) bool {
	if len(a) != len(b) {
		return false
	}
	all := make(map[row]bool)
	for _, r := range a {
		all[r] = true
	}
	for _, r := range b {
		if !all[r] {
			return false
		}
	}
	return true
}
