//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// tool returns the command allocctl with these arguments, in dir.
func tool(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "allocctl" // TestMain runs it
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", "ALLOCSTORE_FILE=state.db", "ALLOCSTORE_ADDR=")
	return cmd
}

// onTerminal runs the command on a terminal of that width, and returns all that it has written. Streams that
// are set already stay.
func onTerminal(t *testing.T, width int, cmd *exec.Cmd) (written string, code int) {
	t.Helper()
	terminal, slave, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: uint16(width)}))
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	if cmd.Stdout == nil {
		cmd.Stdout = slave
	}
	cmd.Stderr = slave
	require.NoError(t, cmd.Start())
	require.NoError(t, slave.Close())
	text, _ := io.ReadAll(terminal) // fails when the command has ended
	_ = cmd.Wait()
	require.NoError(t, terminal.Close())
	return string(text), cmd.ProcessState.ExitCode()
}

// A screen has the lines that a terminal shows at the end, the widest line that it has ever shown, and all bars.
type screen struct {
	lines  []string
	widest string
	bars   []string
}

var style = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// show interprets the control characters that the tool uses, and fails for any other.
func show(t *testing.T, written string) screen {
	t.Helper()
	s := screen{lines: []string{""}}
	line, at := []rune{}, 0
	for rest := []rune(style.ReplaceAllString(written, "")); len(rest) > 0; {
		switch {
		case strings.HasPrefix(string(rest), "\x1b[K"):
			line, rest = line[:at], rest[len("\x1b[K"):]
			continue
		case rest[0] == '\r' && len(rest) > 1 && rest[1] == '\n':
			s.lines = append(s.lines, "")
			line, at, rest = nil, 0, rest[2:]
			continue
		case rest[0] == '\r':
			if len(line) > 0 {
				s.bars = append(s.bars, string(line))
			}
			at, rest = 0, rest[1:]
			continue
		}
		require.GreaterOrEqual(t, rest[0], ' ', "a control character in %q", written)
		line = append(line[:at], rest[0])
		at, rest = at+1, rest[1:]
		s.lines[len(s.lines)-1] = string(line)
		if len(line) > len([]rune(s.widest)) {
			s.widest = string(line)
		}
	}
	s.lines[len(s.lines)-1] = string(line)
	return s
}

// statuses are the pairs of statuses in shopStore.
var statuses = [][2]string{
	{schema.DesiredStatusRun, schema.ClientStatusRunning}, {schema.DesiredStatusRun, schema.ClientStatusPending},
	{schema.DesiredStatusRun, schema.ClientStatusComplete}, {schema.DesiredStatusStop, schema.ClientStatusRunning},
	{schema.DesiredStatusStop, schema.ClientStatusFailed}, {schema.DesiredStatusEvict, schema.ClientStatusLost},
}

// shopStore creates a store like one of a shop, and returns its directory and the ID of an allocation.
func shopStore(t *testing.T) (dir, id string) {
	t.Helper()
	dir = t.TempDir()
	s, err := store.Open(filepath.Join(dir, "state.db"), nil)
	require.NoError(t, err)
	for i, status := range statuses {
		id = fmt.Sprintf("%08x-e0d6-9486-5e05-397ed2b184af", 0x203266e5+i*0x01010101)
		b := new(store.Batch)
		b.Upsert(&schema.Allocation{ID: id, Name: fmt.Sprintf("shop-frontend.web[%d]", i), NodeID: fmt.Sprintf("e02b616%d-83bd-9df6-69bd-832765f333eb", i%3),
			EvalID: fmt.Sprintf("e68125ed-3fba-fb46-46cc-291addbc445%d", i), DesiredStatus: status[0], JobID: "shop", Job: &schema.Job{ID: "shop"}})
		states := map[string]*schema.TaskState{"web": {State: schema.TaskStateRunning}, "log shipper": {State: schema.TaskStateDead, Failed: true, Restarts: 3}}
		b.UpdateFromClient(&schema.Allocation{ID: id, ClientStatus: status[1], TaskStates: states})
		b.AppendTaskEvent(id, "web", "", schema.TaskEvent{Type: schema.TaskReceived, Time: 1447806038427795000})
		b.AppendTaskEvent(id, "web", "", schema.TaskEvent{Type: schema.TaskDriverFailure, Time: 1447806039427795000,
			DriverError: "the image registry.example.com/shop/frontend:1.2 was not found, and no other registry has it either"})
		_, err = s.Apply(t.Context(), b)
		require.NoError(t, err)
	}
	for err := range s.Check(t.Context()) {
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	return dir, id
}

// words returns the words of a text.
func words(text string) map[string]bool {
	all := make(map[string]bool)
	for _, word := range strings.Fields(text) {
		all[word] = true
	}
	return all
}

// TestTerminalWidths runs every command that writes text for people on terminals of three widths. No line is
// wider than the terminal, unless it has one word alone that is; every word is one that the command writes
// without a terminal too, or the beginning of an ID; and nothing is missing.
func TestTerminalWidths(t *testing.T) {
	t.Parallel()
	dir, id := shopStore(t)
	node := httptest.NewServer(http.HandlerFunc(answerAsNode))
	t.Cleanup(node.Close)
	for name, args := range map[string][]string{
		"cluster":       {"cluster", "--help"},
		"status":        {"cluster", "status", "--addr", node.URL},
		"help status":   {"cluster", "status", "--help"},
		"list":          {"list"},
		"list by node":  {"list", "--node", "e02b6161-83bd-9df6-69bd-832765f333eb"},
		"list of none":  {"list", "--node", "e02b"},
		"events":        {"events", id},
		"stats":         {"stats"},
		"check":         {"check"},
		"help":          {"--help"},
		"help import":   {"import", "--help"},
		"help serve":    {"serve", "--help"},
		"version":       {"--version"},
		"unknown":       {"frobnicate"},
		"both sources":  {"list", "--addr", "http://127.0.0.1:1", "-f", "state.db"},
		"absent":        {"-f", "absent.db", "list"},
		"not found":     {"get", "203266e5-e0d6-9486-5e05-000000000000"},
		"wait, no news": {"wait", id},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plainCmd := tool(t, dir, args...)
			plain, err := plainCmd.CombinedOutput()
			if err != nil {
				require.IsType(t, new(exec.ExitError), err)
			}
			want := words(string(plain))
			for _, width := range []int{40, 60, 80, 200} {
				text, code := onTerminal(t, width, tool(t, dir, args...))
				require.Equal(t, plainCmd.ProcessState.ExitCode(), code, text)
				shown := show(t, text)
				require.Empty(t, shown.bars)
				got := words(strings.Join(shown.lines, "\n"))
				for _, line := range shown.lines {
					if len([]rune(line)) > width {
						require.Len(t, strings.Fields(line), 1, "%d columns: %q", width, line)
					}
				}
				for word := range got {
					require.True(t, want[word] || beginsOne(want, word), "%d columns: %q is no word of\n%s", width, word, plain)
				}
				for word := range want {
					if word == "ID" || word == "Time" {
						continue // the title of the first column, which a block has not
					}
					require.True(t, got[word] || anyBegins(got, word) || strings.Trim(word, "─") == "", "%d columns: %q is missing in\n%s", width, word, text)
				}
			}
		})
	}
}

// beginsOne reports whether a word is a short form of an ID in words.
func beginsOne(words map[string]bool, short string) bool {
	short = strings.TrimSuffix(short, cutMark)
	for word := range words {
		if len(short) >= shortID && isID(word) && strings.HasPrefix(word, short) {
			return true
		}
	}
	return false
}

// anyBegins reports whether words have a short form of the ID.
func anyBegins(words map[string]bool, id string) bool {
	for short := range words {
		if beginsOne(map[string]bool{id: true}, short) {
			return true
		}
	}
	return false
}

// TestColors lists allocations on a terminal. Only one that runs as it should is green; and there is no color
// with NO_COLOR, or without a terminal.
func TestColors(t *testing.T) {
	t.Parallel()
	dir, id := shopStore(t)
	text, code := onTerminal(t, 200, tool(t, dir, "list"))
	require.Zero(t, code, text)
	const green, yellow, red = "\x1b[32m", "\x1b[33m", "\x1b[31m"
	for i, want := range []string{green + green, yellow, "", yellow + yellow, red, red} {
		line := strings.Split(text, "\r\n")[i+1] // after the header
		got := strings.Join(style.FindAllString(strings.ReplaceAll(line, "\x1b[0m", ""), -1), "")
		require.Equal(t, want, got, "%v: %q", statuses[i], line)
	}
	text, code = onTerminal(t, 80, tool(t, dir, "events", id))
	require.Zero(t, code, text)
	require.Contains(t, text, green+"running")
	require.Contains(t, text, red+"dead")
	for _, command := range [][]string{{"list"}, {"events", id}} {
		cmd := tool(t, dir, command...)
		cmd.Env = append(cmd.Env, "NO_COLOR=1")
		text, code = onTerminal(t, 80, cmd)
		require.Zero(t, code, text)
		require.NotContains(t, text, "\x1b")
		piped, err := tool(t, dir, command...).Output()
		require.NoError(t, err)
		require.NotContains(t, string(piped), "\x1b")
	}
}

// TestBars runs every command that has a bar, with an empty store and with one that has content, on terminals
// of three widths. The command succeeds as without a terminal; no bar is wider than the terminal; the last one
// is at 100 %; and at the end it is gone.
func TestBars(t *testing.T) {
	t.Parallel()
	full, _ := shopStore(t)
	empty := t.TempDir()
	s, err := store.Open(filepath.Join(empty, "state.db"), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, source := range []string{full, empty} {
		for name, args := range map[string][]string{"all.jsonl": {"export"}, "backup": {"backup", "-"}} {
			out, err := tool(t, source, args...).Output()
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(source, name), out, 0o600))
		}
		for _, width := range []int{40, 80, 200} {
			to := filepath.Join(t.TempDir(), "state.bak")
			other := filepath.Join(t.TempDir(), "other.db")
			for _, args := range [][]string{
				{"backup", to},
				{"export"},
				{"restore", "-f", other, "backup"},
				{"import", "-f", other, "all.jsonl"},
			} {
				cmd := tool(t, source, args...)
				if args[0] == "export" {
					cmd.Stdout = new(strings.Builder)
				}
				text, code := onTerminal(t, width, cmd)
				require.Zero(t, code, "%v on %d columns: %q", args, width, text)
				shown := show(t, text)
				require.NotEmpty(t, shown.bars, "%v: %q", args, text)
				require.LessOrEqual(t, len([]rune(shown.widest)), width, "%q", text)
				for _, bar := range shown.bars {
					require.Less(t, len(bar), width)
				}
				if last := shown.bars[len(shown.bars)-1]; source == full || args[0] == "backup" {
					require.Contains(t, last, "100 %", "%v on %d columns: %q", args, width, text)
				}
				require.NotContains(t, strings.Join(shown.lines, "\n"), "%", "no bar is left")
				require.Empty(t, shown.lines[len(shown.lines)-1])
			}
			copied, err := tool(t, source, "-f", other, "check").Output()
			require.NoError(t, err)
			require.Contains(t, string(copied), "sound")
			backup, err := os.ReadFile(to)
			require.NoError(t, err)
			want, err := os.ReadFile(filepath.Join(source, "backup"))
			require.NoError(t, err)
			require.Equal(t, want, backup, "the bar has changed nothing")
		}
	}
	text, code := onTerminal(t, 80, tool(t, full, "backup", "-"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, text, "give a FILE", "not the backup")
	text, code = onTerminal(t, 80, tool(t, full, "export"))
	require.Zero(t, code)
	require.Empty(t, show(t, text).bars, "the lines would run through it")
}

// TestBarMakesRoom fails an import on a terminal: the message has a line of its own.
func TestBarMakesRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.jsonl"), []byte("{\n"), 0o600))
	text, code := onTerminal(t, 80, tool(t, dir, "import", "bad.jsonl"))
	require.Equal(t, exitRefused, code, text)
	require.Regexp(t, `^allocctl: .*line 1`, show(t, text).lines[0])
}

// TestShownIDsAreTaken gets every allocation by the ID that a list shows on a narrow terminal.
func TestShownIDsAreTaken(t *testing.T) {
	t.Parallel()
	dir, _ := shopStore(t)
	text, code := onTerminal(t, 80, tool(t, dir, "list"))
	require.Zero(t, code, text)
	rows := show(t, text).lines[1:]
	rows = rows[:len(rows)-1]
	require.Len(t, rows, len(statuses))
	for i, row := range rows {
		id := strings.Fields(row)[0]
		require.Len(t, id, shortID)
		got, err := tool(t, dir, "get", id).Output()
		require.NoError(t, err)
		require.Contains(t, string(got), fmt.Sprintf("shop-frontend.web[%d]", i))
	}
}
