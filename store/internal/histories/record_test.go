package histories

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A recorder is the parent: it starts children, kills them, and reads their logs.
type recorder struct {
	dir   string
	d     *rand.Rand
	plan  plan
	last  bool // the child is not killed
	calls []call
}

// patience bounds the time of a child's start and end.
const patience = time.Minute

// record has runs children work on one file, one after the other. All but the last are killed.
func record(t *testing.T, dir string, runs int, seed uint64, of kind) []call {
	t.Helper()
	r := &recorder{dir: dir, d: rand.New(rand.NewPCG(seed, 0)), plan: plan{
		Seed: seed, Kind: of, Path: filepath.Join(dir, "history.db"), Calls: make(map[int]int), Min: make(map[int]uint64),
	}}
	for n := range runs {
		r.plan.Run, r.plan.Log = n, filepath.Join(dir, fmt.Sprintf("%d.log", n))
		r.last = n == runs-1
		if r.plan.Length = 0; r.last || r.d.IntN(4) == 0 {
			r.plan.Length = r.length()
		}
		require.NoError(t, r.child(), "run %d", n)
		calls, err := readJournal(r.plan.Log)
		require.NoError(t, err)
		r.add(calls)
	}
	return r.calls
}

// length returns the length of a child's life.
func (r *recorder) length() time.Duration {
	return 800*time.Millisecond + time.Duration(r.d.Int64N(int64(900*time.Millisecond)))
}

// child runs the next child to its end. Most children are killed after some work, some at any
// time after their start, and some while they close the store.
func (r *recorder) child() error {
	text, err := json.Marshal(r.plan)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), planVar+"="+string(text))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	if r.last {
		select {
		case err = <-died:
		case <-time.After(r.plan.Length + patience):
			err = errors.Join(errors.New("does not end"), cmd.Process.Signal(syscall.SIGQUIT), <-died)
		}
		return withOutput(err, &out)
	}
	r.sleep()
	killed := cmd.Process.Kill()
	err = <-died
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return nil
	case err == nil && r.plan.Length > 0:
		return nil // it closed the store in time
	}
	return withOutput(errors.Join(errors.New("ended by itself"), killed, err), &out)
}

// sleep waits until the time to kill the child.
func (r *recorder) sleep() {
	upTo := func(d time.Duration) time.Duration { return time.Duration(r.d.Int64N(int64(d))) }
	if r.plan.Length == 0 && r.d.IntN(6) == 0 {
		time.Sleep(upTo(60 * time.Millisecond))
		return
	}
	for began := time.Now(); !notEmpty(r.plan.Log) && time.Since(began) < patience; {
		time.Sleep(time.Millisecond)
	}
	if r.plan.Length > 0 {
		time.Sleep(r.plan.Length + upTo(100*time.Millisecond))
		return
	}
	time.Sleep(r.length())
}

// withOutput adds the output of a child to an error.
func withOutput(err error, out *strings.Builder) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%s", err, out)
}

// notEmpty reports whether the file has content.
func notEmpty(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// add adds the log of a child, and plans where the next one goes on.
func (r *recorder) add(calls []call) {
	for _, c := range calls {
		r.plan.Calls[c.Client] = max(r.plan.Calls[c.Client], c.N)
		switch {
		case c.Op == opFollow:
			r.plan.Min[c.Client] = c.Min
		case !c.Flight && (c.Op == opFeed || c.Op == opWait || c.Op == opList):
			r.plan.Min[c.Client] = c.Index
		}
	}
	r.calls = append(r.calls, calls...)
}
