//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"allocstore/schema"
	"allocstore/store"
)

// TestSignalEndsBlockedCommands sends a signal to every command in every call that can block: it opens a named
// pipe, reads, writes to a reader that does not read, or waits for an answer. The first signal ends it soon.
func TestSignalEndsBlockedCommands(t *testing.T) {
	t.Parallel()
	dir, id := shopStore(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and answers nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	mute := "http://" + silent.Addr().String()
	var blocked []blockedCommand
	for _, c := range []struct {
		blocks int // the stream that blocks, or 0
		args   []string
	}{
		{0, []string{"import", "-f", "NEW", "PIPE"}},
		{0, []string{"restore", "-f", "NEW", "PIPE"}},
		{0, []string{"serve", "--listen", "127.0.0.1:0", "--address-file", "PIPE"}},
		{0, []string{"get", "--addr", mute, "-f", "", id}},
		{0, []string{"list", "--addr", mute, "-f", ""}},
		{0, []string{"wait", "--addr", mute, "-f", "", id}},
		{0, []string{"serve", "--raft", "127.0.0.1:0", "--dir", "NEW", "--listen", "127.0.0.1:0", "--address-file", "PIPE"}},
		{0, []string{"cluster", "status", "--addr", mute}},
		{0, []string{"cluster", "join", "a", "b:1", "--addr", mute}},
		{0, []string{"cluster", "leave", "a", "--addr", mute}},
		{0, []string{"cluster", "transfer", "--addr", mute}},
		{0, []string{"cluster", "snapshot", "signal.bak", "--addr", mute}},
		{reads, []string{"import", "-f", "NEW"}},
		{reads, []string{"restore", "-f", "NEW", "-"}},
		{writes, []string{"list"}},
		{writes, []string{"list", "--json"}},
		{writes, []string{"get", id}},
		{writes, []string{"events", id}},
		{writes, []string{"events", "--json", id}},
		{writes, []string{"wait", id, "--index", "1"}},
		{writes, []string{"follow"}},
		{writes, []string{"export"}},
		{writes, []string{"backup", "-"}},
		{writes, []string{"check"}},
		{writes, []string{"stats"}},
		{writes, []string{"stats", "--json"}},
		{writes, []string{"--help"}},
		{writes, []string{"--version"}},
		{writes, []string{"completion", "bash"}},
		{reports, []string{"list", "--node", "absent"}},
		{reports, []string{"backup", "signal.bak"}},
		{reports, []string{"frobnicate"}},
		{reports, []string{"-f", "absent.db", "list"}},
		{reports, []string{"serve", "--listen", "127.0.0.1:0"}},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			blocked = append(blocked, start(t, dir, c.blocks, sig, c.args))
		}
	}
	untilBlocked(t, blocked)
	began := time.Now()
	for _, b := range blocked {
		require.NoError(t, b.cmd.Process.Signal(b.sig))
	}
	for _, b := range blocked {
		b.requireEnd(t)
	}
	require.Less(t, time.Since(began), 5*time.Second, "each takes half a second at most, and there are many")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.False(t, strings.HasPrefix(e.Name(), ".signal.bak"), "a temporary file is left: %s", e.Name())
	}
}

// The streams that a command can block in.
const (
	reads   = iota + 1 // the standard input
	writes             // the standard output
	reports            // the error output
)

// A blockedCommand is a command to end with a signal.
type blockedCommand struct {
	cmd  *exec.Cmd
	sig  syscall.Signal
	said *bytes.Buffer // its error output, if that does not block
}

// start starts a command whose stream blocks. In its arguments PIPE becomes a named pipe, and NEW a new file.
func start(t *testing.T, dir string, blocks int, sig syscall.Signal, args []string) blockedCommand {
	t.Helper()
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "PIPE" || arg == "NEW" {
			args[i] = filepath.Join(t.TempDir(), arg)
		}
		if arg == "PIPE" {
			require.NoError(t, syscall.Mkfifo(args[i], 0o600))
		}
	}
	b := blockedCommand{cmd: tool(t, dir, args...), sig: sig, said: new(bytes.Buffer)}
	b.cmd.Stderr = b.said
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	switch blocks {
	case reads:
		b.cmd.Stdin = read
	case writes:
		fillPipe(t, write)
		b.cmd.Stdout = write
	case reports:
		fillPipe(t, write)
		b.cmd.Stderr = write
	}
	require.NoError(t, b.cmd.Start())
	t.Cleanup(func() { _ = b.cmd.Process.Kill() }) // if the test has failed
	return b
}

// requireEnd requires that the signal has ended the command.
func (b blockedCommand) requireEnd(t *testing.T) {
	t.Helper()
	_ = b.cmd.Wait()
	require.Equal(t, exitInterrupted, b.cmd.ProcessState.ExitCode(), "%q, %v: %v: %s", b.cmd.Args, b.sig, b.cmd.ProcessState, b.said)
	if b.cmd.Stderr == io.Writer(b.said) {
		require.Regexp(t, "(?m)^allocctl: interrupted", b.said.String(), "%q", b.cmd.Args)
	}
}

// fillPipe fills a pipe, so that the next write blocks.
func fillPipe(t *testing.T, pipe *os.File) {
	t.Helper()
	raw, err := pipe.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		for _, size := range []int{4096, 1} {
			for {
				if _, err := unix.Write(int(fd), make([]byte, size)); err != nil {
					require.ErrorIs(t, err, unix.EAGAIN)
					break
				}
			}
		}
		require.NoError(t, unix.SetNonblock(int(fd), false)) // as a shell gives it to a command
	}))
}

// untilBlocked waits until the commands have used no processor for a while.
func untilBlocked(t *testing.T, commands []blockedCommand) {
	t.Helper()
	for quiet, before := 0, ""; quiet < 10; time.Sleep(20 * time.Millisecond) {
		used := ""
		for _, b := range commands {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
			require.NoError(t, err)
			field := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
			require.NotEqual(t, "Z", field[1], "%q has ended by itself", b.cmd.Args)
			used += field[12] + " " + field[13] + " "
		}
		if quiet++; used != before {
			quiet, before = 0, used
		}
	}
}

// TestFollowGoesOn interrupts follow after each number of lines, some of them within an index. Its message has
// the index to go on with: the last one that was read as a whole. The lines up to there, and those from there
// on, are all lines.
func TestFollowGoesOn(t *testing.T) {
	t.Parallel()
	dir, _ := shopStore(t)
	path := filepath.Join(dir, "state.db")
	s, err := store.Open(path, nil)
	require.NoError(t, err)
	b := new(store.Batch)
	for n := range 3 {
		b.Upsert(&schema.Allocation{ID: fmt.Sprintf("%08d-0000-0000-0000-000000000000", n), Job: &schema.Job{ID: "a"}})
	}
	_, err = s.Apply(t.Context(), b)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	follow := func(ctx context.Context, after uint64, to io.Writer) (code int, said string) {
		var text bytes.Buffer
		code = run(ctx, &app{out: to, err: &text}, []string{"-f", path, "follow", "--after", fmt.Sprint(after)})
		return code, text.String()
	}
	var whole bytes.Buffer
	code, said := follow(t.Context(), 0, &whole)
	require.Zero(t, code, said)
	require.Equal(t, len(statuses)+3, strings.Count(whole.String(), "\n"))
	for lines := 1; lines < strings.Count(whole.String(), "\n"); lines++ {
		ctx, interrupt := context.WithCancel(t.Context())
		from, to := io.Pipe()
		ended := make(chan string)
		go func() {
			code, said := follow(ctx, 0, to)
			ended <- fmt.Sprint(code, " ", said)
		}()
		var complete, read string // the lines of whole indexes, and all
		var last uint64
		in := bufio.NewReader(from)
		for range lines {
			line, err := in.ReadString('\n')
			require.NoError(t, err)
			var change changeLine
			require.NoError(t, json.Unmarshal([]byte(line), &change))
			if read += line; change.Last {
				complete, last = read, change.Index
			}
		}
		interrupt()
		require.Equal(t, fmt.Sprintf("%d allocctl: interrupted (go on with --after %d)\n", exitInterrupted, last), <-ended)
		require.NoError(t, from.Close())
		var rest bytes.Buffer
		code, said := follow(t.Context(), last, &rest)
		require.Zero(t, code, said)
		require.Equal(t, whole.String(), complete+rest.String(), "interrupted after %d lines", lines)
	}
}
