package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A machine is the parent's view of a node: its directory, its process, and the way to both.
type machine struct {
	number  int
	id      string
	dir     string // of the node; it may be a disk of its own
	logPath string // of the messages of all its processes
	address string
	plan    plan
	client  *http.Client
	alone   func(error) // called when a process ends by itself

	mu      sync.Mutex // guards the fields below
	process *process   // nil between two processes
	seen    uint64     // the highest index that this directory has shown
	member  bool
	claimed bool // for a fault
	spoiled bool // its disk was broken on purpose
	old     bool // of a mutant: there is an old copy of the directory
}

// A process is one process of a node.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	died  chan struct{}
	rpc   string
	err   error // of its end, once died is closed
}

// start starts a process, and waits until it serves.
func (m *machine) start() error {
	for w := wait(5 * time.Second); ; {
		p, h, err := m.try()
		if err == nil {
			return m.started(p, h)
		}
		if !w.more() {
			return fmt.Errorf("node %s does not start: %w\n%s", m.id, err, m.tail(8))
		}
		time.Sleep(200 * time.Millisecond) // such as a port that another process uses at the moment
	}
}

func (m *machine) try() (*process, *hello, error) {
	text, err := json.Marshal(m.plan)
	if err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(m.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- a process begins at %s\n", time.Now().Format(time.RFC3339Nano))
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	p := &process{cmd: exec.Command(self), died: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), planVar+"="+string(text))
	p.cmd.Stderr = log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	p.stdin = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	go func() {
		p.err = p.cmd.Wait()
		close(p.died)
		if m.running() == p {
			m.alone(p.err)
		}
	}()
	h := new(hello)
	if err := json.Unmarshal(line, h); err != nil {
		_ = p.cmd.Process.Kill()
		<-p.died
		return nil, nil, errors.Join(readErr, p.err)
	}
	p.rpc = h.RPC
	return p, h, nil
}

// started notes a process that serves. A directory never shows less than it has shown before.
func (m *machine) started(p *process, h *hello) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process = p
	if h.Last < m.seen {
		return fmt.Errorf("node %s opened at index %d, and has shown %d before: an acknowledged write may be lost", m.id, h.Last, m.seen)
	}
	m.seen = h.Last
	return nil
}

// saw notes an index that a process has shown. It reports whether the process has ended meanwhile: the next one may have an
// empty directory.
func (m *machine) saw(p *process, index uint64) (ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != p || p == nil {
		return true
	}
	m.seen = max(m.seen, index)
	return false
}

func (m *machine) running() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

// kill kills the process, stopped or not, and waits for its end.
func (m *machine) kill() {
	m.mu.Lock()
	p := m.process
	m.process = nil
	m.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.died
	_ = p.stdin.Close()
}

// dump ends a process that does not do its work, with the stacks of its goroutines in its messages.
func (m *machine) dump() {
	m.mu.Lock()
	p := m.process
	m.process = nil
	m.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	if !until(p.died, patience/6) {
		_ = p.cmd.Process.Kill()
		<-p.died
	}
	_ = p.stdin.Close()
}

// signal sends a signal to the process, if there is one.
func (m *machine) signal(s syscall.Signal) {
	if p := m.running(); p != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// wipe removes the content of the directory of a node without a process.
func (m *machine) wipe() error {
	all, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range all {
		errs = append(errs, os.RemoveAll(filepath.Join(m.dir, e.Name())))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen, m.spoiled = 0, false
	return errors.Join(errs...)
}

// tail returns the last lines of the messages.
func (m *machine) tail(n int) string {
	b, err := os.ReadFile(m.logPath)
	if err != nil {
		return err.Error()
	}
	for i := len(b) - 1; i > 0; i-- {
		if b[i] == '\n' {
			if n--; n < 0 {
				return string(b[i+1:])
			}
		}
	}
	return string(b)
}

// post makes a call, and returns its answer's body. The error is errDown if there was no process to ask.
func (m *machine) post(ctx context.Context, path string, query any) (io.ReadCloser, error) {
	p := m.running()
	if p == nil {
		return nil, errDown
	}
	r, w := io.Pipe()
	go func() {
		if from, ok := query.(io.Reader); ok {
			_, err := io.Copy(w, from)
			_ = w.CloseWithError(err)
			return
		}
		_ = w.CloseWithError(json.NewEncoder(w).Encode(query))
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.rpc+path, r)
	if err != nil {
		return nil, err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && ctx.Err() == nil {
			return nil, fmt.Errorf("%w: %w", errDown, err)
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return nil, errors.Join(fmt.Errorf("%s: %s: %s", path, resp.Status, text), resp.Body.Close())
	}
	return resp.Body, nil
}

var errDown = errors.New("there is no process")

// ask makes a call, and decodes its answer into one that has a failure. A call that ends without an answer has a failure
// of its own: kindDown if nothing was asked, else kindUnknown.
func ask[A any](ctx context.Context, m *machine, path string, query any, answer *A, f *failure) {
	body, err := m.post(ctx, path, query)
	if err == nil {
		err = json.NewDecoder(body).Decode(answer)
		_ = body.Close()
	}
	switch {
	case err == nil:
	case errors.Is(err, errDown):
		*f = failure{kindDown, err.Error()}
	default:
		*f = failure{kindUnknown, err.Error()}
	}
}

func (m *machine) apply(ctx context.Context, b *batch, limit time.Duration) (a applyAnswer) {
	ctx, cancel := context.WithTimeout(ctx, limit*3/2)
	defer cancel()
	ask(ctx, m, "/apply", &applyQuery{*b, int(limit.Milliseconds())}, &a, &a.failure)
	return a
}

func (m *machine) read(ctx context.Context, q *readQuery) (a readAnswer) {
	ctx, cancel := within(ctx, q.Milli*3/2)
	defer cancel()
	ask(ctx, m, "/read", q, &a, &a.failure)
	return a
}

func (m *machine) wait(ctx context.Context, q *waitQuery) (a waitAnswer) {
	ask(ctx, m, "/wait", q, &a, &a.failure)
	return a
}

func (m *machine) list(ctx context.Context, q *listQuery) (a listAnswer) {
	ask(ctx, m, "/list", q, &a, &a.failure)
	return a
}

func (m *machine) status(ctx context.Context) (a statusAnswer) {
	ctx, cancel := within(ctx, 2000)
	defer cancel()
	ask(ctx, m, "/status", struct{}{}, &a, &a.failure)
	return a
}

func (m *machine) do(ctx context.Context, q *doQuery) (f failure) {
	if q.Milli == 0 {
		q.Milli = 3000
	}
	ctx, cancel := within(ctx, q.Milli*3/2)
	defer cancel()
	ask(ctx, m, "/do", q, &f, &f)
	return f
}

func (m *machine) content(ctx context.Context) (a contentAnswer) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ask(ctx, m, "/content", struct{}{}, &a, &a.failure)
	return a
}

// stream makes a call whose answer is a stream of lines, and gives each to fn until it returns false.
func stream[L any](ctx context.Context, m *machine, path string, q *streamQuery, fn func(*L) bool) error {
	body, err := m.post(ctx, path, q)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(body)
	for {
		line := new(L)
		if err := d.Decode(line); err != nil {
			return err
		}
		if !fn(line) {
			return nil
		}
	}
}
