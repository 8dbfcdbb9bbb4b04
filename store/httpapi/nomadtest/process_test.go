package nomadtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// patience bounds every wait of a test.
const patience = 30 * time.Second

// tool builds allocctl, once for all tests. TestMain removes it.
var tool = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binDir, "allocctl")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join("..", "..", "cmd", "allocctl")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build allocctl: %w\n%s", err, out)
	}
	return path, nil
})

var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nomadtest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	binDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A process is allocctl serve --raft. Its command line stays the same.
type process struct {
	t       *testing.T
	id      string
	args    []string
	url     string // of its HTTP endpoint
	client  *api.Client
	running *exec.Cmd
	said    *safeBuffer
}

// A safeBuffer is a buffer that a process writes to while a test reads it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// freePort returns an address on which nothing listens. Its port is below those of outgoing connections: one of them could
// take it while its process is down.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
}

// newProcess returns a node that does not run yet.
func newProcess(t *testing.T, dir, id string, args ...string) *process {
	t.Helper()
	listen := freePort(t)
	p := &process{t: t, id: id, url: "http://" + listen, said: new(safeBuffer)}
	p.args = append([]string{"serve", "--raft", freePort(t), "--dir", filepath.Join(dir, id), "--id", id, "--listen", listen}, args...)
	client, err := api.NewClient(&api.Config{Address: p.url})
	require.NoError(t, err)
	p.client = client
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", id, p.said)
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	path, err := tool()
	require.NoError(p.t, err)
	p.running = exec.Command(path, p.args...)
	p.running.Stderr = p.said
	require.NoError(p.t, p.running.Start())
}

// contact waits until the process listens and knows a leader.
func (p *process) contact() {
	p.t.Helper()
	until(p.t, p.id+" in contact", func() bool { _, err := p.client.Status().Leader(); return err == nil })
}

// kill is kill -9.
func (p *process) kill() {
	if p.running != nil {
		_ = p.running.Process.Kill()
		_ = p.running.Wait()
		p.running = nil
	}
}

// end ends the process by SIGTERM, and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	require.NoError(p.t, p.running.Process.Signal(syscall.SIGTERM))
	return p.wait()
}

// wait waits until the process has ended, and returns its exit code.
func (p *process) wait() int {
	p.t.Helper()
	running := p.running.Process
	late := time.AfterFunc(patience, func() { _ = running.Kill() }) // then the code is -1
	defer late.Stop()
	err := p.running.Wait()
	code := p.running.ProcessState.ExitCode()
	p.running = nil
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		require.NoError(p.t, err)
	}
	return code
}

// run runs allocctl, and returns its output.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := tool()
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// must is run without an error.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t, args...)
	require.NoError(t, err, "%q: %s", args, out)
	return out
}

// three starts a cluster by three commands, and waits until it has three voters.
func three(t *testing.T, args ...string) []*process {
	t.Helper()
	dir := t.TempDir()
	a := newProcess(t, dir, "a", append(args, "--bootstrap")...)
	join := strings.TrimPrefix(a.url, "http://")
	all := []*process{a, newProcess(t, dir, "b", append(args, "--join", join)...), newProcess(t, dir, "c", append(args, "--join", join)...)}
	for _, p := range all {
		p.start()
	}
	until(t, "three voters", func() bool { return voters(all[2]) == 3 })
	return all
}

func voters(p *process) (n int) {
	c, err := p.client.Operator().RaftGetConfiguration(nil)
	if err != nil {
		return 0
	}
	for _, s := range c.Servers {
		if s.Voter {
			n++
		}
	}
	return n
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	defer func(began time.Time) { t.Logf("%s after %v", what, time.Since(began)) }(time.Now())
	for !is() {
		require.False(t, time.Now().After(deadline), "no %s in %v", what, patience)
		time.Sleep(20 * time.Millisecond)
	}
}

// leaderOf returns the process that leads, as those that run say.
func leaderOf(t *testing.T, all []*process) *process {
	t.Helper()
	var leads *process
	until(t, "leader", func() bool {
		for _, p := range all {
			if p.running == nil {
				continue
			}
			c, err := p.client.Operator().RaftGetConfiguration(nil)
			if err != nil {
				continue
			}
			for _, s := range c.Servers {
				for _, q := range all {
					if s.Leader && s.ID == q.id && q.running != nil {
						leads = q
						return true
					}
				}
			}
		}
		return false
	})
	return leads
}

// others returns the processes apart from one.
func others(all []*process, one *process) (rest []*process) {
	for _, p := range all {
		if p != one {
			rest = append(rest, p)
		}
	}
	return rest
}

// allocation returns the n-th allocation of a writer.
func allocation(writer, n int) *schema.Allocation {
	return &schema.Allocation{
		ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", writer, n), Name: fmt.Sprintf("writer%d[%d]", writer, n),
		NodeID: "node1", Job: &schema.Job{ID: "example"},
	}
}

// post applies a batch on a node. The status is 0 without an answer.
func post(p *process, b *store.Batch) (status int, text string) {
	data, err := b.MarshalBinary()
	if err != nil {
		return 0, err.Error()
	}
	client := http.Client{Timeout: 15 * time.Second}
	answer, err := client.Post(p.url+"/v1/allocstore/apply", "application/octet-stream", bytes.NewReader(data))
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}
