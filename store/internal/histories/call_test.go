package histories

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Kinds of calls.
const (
	opOpen     = "open" // the store was opened, with these rows
	opWrite    = "write"
	opGet      = "get"
	opWait     = "wait" // on one allocation or on several
	opSnapshot = "snapshot"
	opFeed     = "feed" // one batch in the feed
	opEnd      = "end"  // the child ends by itself

	opMembers = "members" // a list on a snapshot
	opList    = "list"    // a wait for a list
	opResume  = "resume"  // a follower of a list begins, above an index
	opRead    = "read"    // a scheduler reads a node
	opFollow  = "follow"  // one change of a list, as told to a follower
)

// A call is one line of a log: a call and its reply. Writes and waits have a line
// before the call as well, with Flight set.
//
// Rows have the text of each allocation, by its number; see row.text. An absent one has no
// text.
type call struct {
	Op     string
	Run    int
	Client int
	N      int  // the client's calls are counted over all runs
	Flight bool `json:",omitempty"`

	// Begin and End are in nanoseconds. Those of a later run are larger.
	Begin, End int64

	Writes []write `json:",omitempty"`
	IDs    []int   `json:",omitempty"` // the allocations waited for or looked up
	Min    uint64  `json:",omitempty"`
	Late   bool    `json:",omitempty"` // a wait with an index that is not its client's last one
	Limit  int64   `json:",omitempty"` // the largest time of a wait, in nanoseconds

	Index   uint64         `json:",omitempty"`
	Unknown []int          `json:",omitempty"` // of a write: the absent allocations
	Outcome string         `json:",omitempty"` // of a wait
	ID      int            `json:",omitempty"` // of a wait: the result's allocation, or -1; More has the others of Rows
	Rows    map[int]string `json:",omitempty"`
	Err     string         `json:",omitempty"` // a violation that the child has seen

	List    int         `json:",omitempty"` // the number of a list
	Full    bool        `json:",omitempty"` // of a wait for a list; of a follower's change: its state is complete
	Members []member    `json:",omitempty"` // of a list; of one batch in the feed
	Gone    []departure `json:",omitempty"`

	// If has the conditions of a write. If its Outcome is a conflict, Failed is the one named in
	// it, and Index the index found.
	If     []condition `json:",omitempty"`
	Failed condition   `json:",omitzero"`
}

// write is one write of a batch.
type write struct {
	Kind  string
	ID    int
	Token string `json:",omitempty"` // unique among all writes
	Node  int    `json:",omitempty"` // of an upsert in a history of nodes
	Alive bool   `json:",omitempty"` // of a status in a history of nodes
}

// A condition is that of an Expect, or of an ExpectList if the ID is -1.
type condition struct {
	ID, List int
	Index    uint64
}

// runShift leaves 42 bits for the time of one run, which is below 73 minutes.
const runShift = 42

// String formats a call for a report of a violation.
func (c call) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A journal is the log of one run. Each line is appended by one write, so that a kill can
// tear only the last line.
type journal struct {
	run   int
	began time.Time
	mu    sync.Mutex // guards file: a short write must not be followed by a line
	file  *os.File
}

func openJournal(path string, run int) (*journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{run: run, began: time.Now(), file: file}, nil
}

// now returns the time for Begin and End.
func (j *journal) now() int64 { return int64(j.run)<<runShift + int64(time.Since(j.began)) }

// log appends a line. If that fails, the process ends: the rest of its log would be worth
// nothing.
func (j *journal) log(c call) {
	c.Run = j.run
	line, err := json.Marshal(c)
	if err == nil {
		j.mu.Lock()
		_, err = j.file.Write(append(line, '\n'))
		j.mu.Unlock()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
}

// readJournal returns the whole lines of a log. Only the last line may be torn.
func readJournal(path string) ([]call, error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil // killed before it had a log
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var calls []call
	var torn error
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if torn != nil {
			return nil, fmt.Errorf("%s: a torn line that is not the last: %w", path, torn)
		}
		var c call
		if torn = json.Unmarshal(lines.Bytes(), &c); torn == nil {
			calls = append(calls, c)
		}
	}
	return calls, lines.Err()
}
