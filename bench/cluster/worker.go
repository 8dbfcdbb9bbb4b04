package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"
)

// workerEnv makes this program a worker: the process of one system, so that no system collects the garbage of another. Its
// value is the name of the system. It serves the requests that it reads from its input, one at a time, until the input ends.
const workerEnv = "CLUSTER_WORKER"

// dirEnv is the directory of a worker.
const dirEnv = "CLUSTER_DIR"

// A request asks a worker for one measurement, or for something before or after one.
type request struct {
	Kind    string        // of work, or one of the following
	Place   string        // of writers
	Workers int           // writers or readers
	Read    int           // index of readKinds
	Length  time.Duration // of the measurement
	N       int           // allocations of a cluster of its own
	Cut     bool          // cut the log while the node is away
}

// Kinds of requests that measure nothing.
const (
	openRequest    = "open"    // open the cluster and fill it
	verifyRequest  = "verify"  // look for the acknowledged updates
	profileRequest = "profile" // begin a CPU profile, or end it
	closeRequest   = "close"
)

// An answer has the results of a request, by the name of the work or of a part of it.
type answer struct {
	Samples map[string][]sample
	Notes   []string
	Err     string // "" for success
}

// isWorker reports whether this process is a worker.
func isWorker() bool { return os.Getenv(workerEnv) != "" }

// work is the main function of a worker.
func work(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, cfg, os.Getenv(workerEnv), os.Getenv(dirEnv))
	if err != nil {
		return err
	}
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(stdout)
	for {
		var r request
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return b.close()
		} else if err != nil {
			return err
		}
		a := b.do(&r)
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// do serves a request.
func (b *bench) do(r *request) *answer {
	runtime.GC()
	a := &answer{Samples: make(map[string][]sample)}
	one := func(s sample, err error) error {
		a.Samples[r.Kind] = []sample{s}
		return err
	}
	var err error
	switch r.Kind {
	case openRequest:
		err = one(b.open())
	case writeWork:
		err = one(b.write(r.Place, r.Workers, r.Length))
	case readWork:
		err = one(b.read(&readKinds[r.Read], r.Workers, r.Length))
	case failoverWork:
		err = one(b.failover())
	case awayWork:
		err = one(b.beAway(r.Cut))
	case restartWork:
		err = b.restart(r.N, a)
	case installWork:
		err = b.install(r.N, a)
	case verifyRequest:
		err = b.subject.verify(b.ctx)
	case profileRequest:
		err = b.toggleProfile()
	case closeRequest:
		err = b.close()
		debug.FreeOSMemory()
	default:
		err = fmt.Errorf("a request of kind %q", r.Kind)
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// A worker is the process of a system, as its parent sees it.
type worker struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
	send *json.Encoder
}

// startWorker starts this program as a worker.
func startWorker(ctx context.Context, name, dir string, args []string, stderr io.Writer) (*worker, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &worker{name: name, cmd: exec.CommandContext(ctx, program, args...)}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+name, dirEnv+"="+dir)
	w.cmd.Stderr = stderr
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.send, w.out = json.NewEncoder(w.in), json.NewDecoder(bufio.NewReader(out))
	return w, w.cmd.Start()
}

// call asks the worker for something, and waits for the answer.
func (w *worker) call(r *request) (*answer, error) {
	a := new(answer)
	err := w.send.Encode(r)
	if err == nil {
		err = w.out.Decode(a)
	}
	if err == nil && a.Err != "" {
		err = errors.New(a.Err[:min(len(a.Err), maxErrText)])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", w.name, r.Kind, err)
	}
	return a, nil
}

// maxErrText bounds the text of an error, which may be that of each of many writers.
const maxErrText = 1000

// end closes the worker's input, and waits for its end.
func (w *worker) end() error {
	err := errors.Join(w.in.Close(), w.cmd.Wait())
	if err != nil {
		err = fmt.Errorf("%s: %w", w.name, err)
	}
	return err
}

// limitMemory keeps the heap of a process within 70 % of the memory, as bench/peers does.
func limitMemory(bytes int64) {
	if bytes > 0 {
		debug.SetMemoryLimit(min(bytes/10*7, math.MaxInt64))
	}
}
