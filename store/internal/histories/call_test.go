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
	opOpen     = "open" // the store was opened, and this is what it held
	opWrite    = "write"
	opGet      = "get"
	opWait     = "wait" // on one allocation or on several
	opSnapshot = "snapshot"
	opFeed     = "feed" // one batch, as the feed showed it
	opEnd      = "end"  // the child ends by itself
)

// A call is one line of a log: a call and its reply. Writes and waits have a line
// before the call as well, with Flight set.
//
// Rows have the text of each allocation, by its number; see row.text. One that is
// not there has none.
type call struct {
	Op     string
	Run    int
	Client int
	N      int  // the client's calls are counted over all runs
	Flight bool `json:",omitempty"`

	// Begin and End are in nanoseconds. A later run's are all larger.
	Begin, End int64

	Writes []write `json:",omitempty"`
	IDs    []int   `json:",omitempty"` // waited for, or looked up
	Min    uint64  `json:",omitempty"`
	Late   bool    `json:",omitempty"` // a wait that is not about what its client was told before
	Limit  int64   `json:",omitempty"` // how long a wait is to last at the most, in nanoseconds

	Index   uint64         `json:",omitempty"`
	Unknown []int          `json:",omitempty"` // of a write: what was not there
	Outcome string         `json:",omitempty"` // of a wait
	ID      int            `json:",omitempty"` // of a wait: what it is about, -1 if nothing
	Rows    map[int]string `json:",omitempty"`
	Err     string         `json:",omitempty"` // what should not have happened
}

// write is one write of a batch.
type write struct {
	Kind  string
	ID    int
	Token string `json:",omitempty"` // no other write has it
}

// runShift makes room for the time of one run, which is below 73 minutes.
const runShift = 42

// String is what is printed of a call that something is wrong with.
func (c call) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A journal is the log of one run. Each line is written by one write at the end of
// the file, so that a kill leaves all lines but the last one whole.
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

// now is the time as calls have it.
func (j *journal) now() int64 { return int64(j.run)<<runShift + int64(time.Since(j.began)) }

// put writes a line. If that fails the process ends, for what follows would be worth
// nothing.
func (j *journal) put(c call) {
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

// readJournal returns the whole lines of a log. One that is torn must be the last.
func readJournal(path string) ([]call, error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil // killed before it had one
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
