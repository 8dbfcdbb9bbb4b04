package readme

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	patience  = 5 * time.Minute  // for one line, with the build of its program
	listening = 10 * time.Second // for a program in the background to listen
	moment    = 2 * time.Second  // for a command that does not end to fail

	// exampleID is the ID in README's snippet, and in all documentation.
	exampleID = "203266e5-e0d6-9486-5e05-397ed2b184af"

	allocctl = "store/cmd/allocctl/doc.go"
)

// files have shell lines, in the order in which a reader meets them.
var files = []string{"README.md", "bench/README.md", "store/httpapi/doc.go", allocctl}

// A sandbox is where the lines are run.
type sandbox struct {
	root string // of the project, to which allocstore is a symbolic link
	dir  string
	port string // in place of 4646
	env  []string
	set  string // the assignments so far of the current file

	background []*exec.Cmd
	started    time.Time // when the last of them was started
}

// newSandbox makes a sandbox for the project at root, whose README has that text.
func newSandbox(t *testing.T, root, readme string) *sandbox {
	t.Helper()
	s := &sandbox{root: root, dir: t.TempDir()}
	free, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	_, s.port, _ = net.SplitHostPort(free.Addr().String())
	must(t, free.Close())
	for _, dir := range []string{"home", "tmp", "bin", "scheduler", "commands", "transcript"} {
		must(t, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	must(t, os.Symlink(root, filepath.Join(s.dir, "allocstore")))
	program, err := mainOf(readme)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "scheduler", "main.go"), []byte(program), 0o600))
	must(t, os.WriteFile(filepath.Join(s.dir, "home", ".curlrc"), []byte("fail-with-body\nsilent\n"), 0o600))

	s.env = append(os.Environ(), "GOWORK=off", "HOME="+filepath.Join(s.dir, "home"), "TMPDIR="+filepath.Join(s.dir, "tmp"),
		"GOBIN="+filepath.Join(s.dir, "bin"), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"))
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE"} { // their defaults are in HOME
		out, err := exec.Command("go", "env", name).Output()
		must(t, err)
		s.env = append(s.env, name+"="+strings.TrimSpace(string(out)))
	}
	t.Cleanup(s.end)
	return s
}

// mainOf returns the program that README tells its readers to make of the snippets.
func mainOf(readme string) (string, error) {
	var body strings.Builder
	found := false
	for rest := readme; ; {
		_, snippet, ok := strings.Cut(rest, "```go\n")
		if !ok {
			break
		}
		snippet, rest, ok = strings.Cut(snippet, "```")
		if !ok {
			return "", errors.New("README has a snippet without an end")
		}
		body.WriteString(snippet)
		found = true
	}
	if !found {
		return "", errors.New("README has no snippet")
	}
	return "package main\n\nimport (\n\"context\"\n\"errors\"\n\"fmt\"\n\"log\"\n\"maps\"\n\n\"allocstore/schema\"\n\"allocstore/store\"\n)\n\n" +
		"func main() {\nctx := context.Background()\n" + body.String() + "}\n", nil
}

// command returns bash with a command, which is killed with all that it starts when ctx ends.
func (s *sandbox) command(ctx context.Context, dir, text string) *exec.Cmd {
	c := exec.CommandContext(ctx, "bash", "-c", s.set+s.actual(text))
	c.Dir = filepath.Join(s.dir, dir)
	if dir == "allocstore" {
		c.Dir = s.root // the same path as in the build cache
	}
	c.Env = append(slices.Clone(s.env), "PWD="+c.Dir)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	return c
}

// placeholder matches an ID that a reader puts in.
var placeholder = regexp.MustCompile(` ID\b`)

// actual replaces the port, and the placeholders of a line.
func (s *sandbox) actual(text string) string {
	text = strings.NewReplacer("//host:", "//localhost:", "4646", s.port, "--after 1200", "--after 1").Replace(text)
	if assignment.MatchString(text) {
		return text
	}
	return placeholder.ReplaceAllString(text, " "+exampleID)
}

// end ends what runs in the background.
func (s *sandbox) end() {
	for _, c := range s.background {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		_ = c.Wait()
	}
	s.background = nil
}

// give gives allocctl's documentation its files, which no process has open.
func (s *sandbox) give(t *testing.T) {
	t.Helper()
	s.end()
	state, err := os.ReadFile(filepath.Join(s.dir, "scheduler", "state.db"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "commands", "state.db"), state, 0o600))
	text, err := os.ReadFile(filepath.Join(s.root, "testdata", "allocation.json"))
	must(t, err)
	var line bytes.Buffer
	must(t, json.Compact(&line, text))
	must(t, os.WriteFile(filepath.Join(s.dir, "transcript", "allocations.jsonl"), line.Bytes(), 0o600))
}

// run runs a line, and returns an error that says what is wrong with it.
func (s *sandbox) run(ctx context.Context, l *Line) error {
	if assignment.MatchString(l.Run) {
		s.set += s.actual(l.Run) + "\n"
		return nil
	}
	if text, ok := strings.CutSuffix(l.Run, "&"); ok || subcommand(text) == "serve" {
		c := s.command(context.WithoutCancel(ctx), l.Dir, "exec "+text)
		if err := c.Start(); err != nil {
			return fmt.Errorf("%v: %w", l, err)
		}
		s.background, s.started = append(s.background, c), time.Now()
		return nil
	}
	err := s.try(ctx, l)
	for err != nil && time.Since(s.started) < listening {
		time.Sleep(100 * time.Millisecond)
		err = s.try(ctx, l)
	}
	return err
}

// subcommand returns the subcommand of a line with allocctl.
func subcommand(text string) string {
	if m := withFlags.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var withFlags = regexp.MustCompile(`^allocctl (?:-f \S+ |--addr \S+ )?(\w+)`)

// try runs a line once.
func (s *sandbox) try(ctx context.Context, l *Line) error {
	limit, lasts := patience, false
	if sub := subcommand(l.Run); sub == "follow" || sub == "wait" {
		limit, lasts = moment, true
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := s.command(ctx, l.Dir, l.Run).CombinedOutput()
	if lasts && ctx.Err() != nil {
		return nil
	}
	switch text := string(out); {
	case l.Transcript && comparable(text) == comparable(l.Output):
		return nil
	case l.Transcript:
		return fmt.Errorf("%v\nprints:\n%swant:\n%s", l, text, l.Output)
	case err != nil:
		return fmt.Errorf("%v\nrun as %s in %s: %w\n%s", l, l.Run, l.Dir, err, text)
	case !strings.Contains(text, l.Prints):
		return fmt.Errorf("%v\ndoes not print %q:\n%s", l, l.Prints, text)
	}
	return nil
}

var (
	years  = regexp.MustCompile(`\d+ years ago`)
	spaces = regexp.MustCompile(`(?m) +$`)
)

// comparable returns a text without what depends on the day, and without the spaces at the ends of lines.
func comparable(text string) string {
	return spaces.ReplaceAllString(years.ReplaceAllString(text, "years ago"), "")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read returns the text of a file of the project, and its shell lines.
func read(t *testing.T, root, file string) (string, []Line) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	must(t, err)
	if strings.HasSuffix(file, ".go") {
		return string(text), Doc(file, string(text))
	}
	lines, err := Markdown(file, string(text))
	must(t, err)
	return string(text), lines
}

// TestShellLines runs the shell lines of all files.
func TestShellLines(t *testing.T) {
	root, err := filepath.Abs("../..")
	must(t, err)
	readme, _ := read(t, root, "README.md")
	s := newSandbox(t, root, readme)
	var inline []string
	shell, ran := make(map[string]bool), make(map[string]bool)
	for _, file := range files {
		text, lines := read(t, root, file)
		if len(lines) == 0 {
			t.Errorf("%s has no shell line", file)
		}
		if strings.HasSuffix(file, ".md") {
			inline = append(inline, Inline(text)...)
		}
		s.set = ""
		if file == allocctl {
			s.give(t)
		}
		for i := range lines {
			l := &lines[i]
			shell[l.Text] = true
			key := l.Dir + " " + l.Run
			if strings.HasPrefix(l.Run, "go ") && ran[key] {
				continue // another file has the same line
			}
			ran[key] = true
			t.Run(fmt.Sprintf("%s:%d", file, l.Number), func(t *testing.T) {
				if strings.Contains(l.Run, "store/internal/powercut") {
					if reason := cannotMount(t.TempDir()); reason != "" {
						t.Log("no disk to cut the power of, so the program is only built: " + reason)
						l.Run = "go -C store/internal/powercut build -o " + os.DevNull + " ."
					}
				}
				t.Log(l.Run)
				must(t, s.run(t.Context(), l))
			})
		}
	}
	s.set = ""
	for _, command := range unlisted(inline, shell) {
		t.Run(command, func(t *testing.T) {
			must(t, s.run(t.Context(), &Line{Text: command, Run: command, Dir: "allocstore"}))
		})
	}
}

// cannotMount returns why this machine cannot run simulated power cuts, which mount file systems, or "".
func cannotMount(dir string) string {
	for _, device := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(device); err != nil {
			return err.Error()
		}
	}
	if err := exec.Command("mount", "-t", "tmpfs", "none", dir).Run(); err != nil {
		return "mounting is not allowed: " + err.Error()
	}
	if err := exec.Command("umount", dir).Run(); err != nil {
		return "unmounting is not allowed: " + err.Error()
	}
	return ""
}

// unlisted returns the commands within sentences, each as it can be run, without those that begin a shell
// line. A script of .ci is only looked for, and a command of allocctl is asked for its help.
func unlisted(inline []string, shell map[string]bool) []string {
	var all []string
	for _, command := range inline {
		begins := false
		for line := range shell {
			begins = begins || line == command || strings.HasPrefix(line, command+" ")
		}
		switch {
		case begins:
			continue
		case strings.HasPrefix(command, ".ci/"):
			command = "test -x " + command
		case strings.HasPrefix(command, "allocctl "):
			command += " --help"
		}
		if !slices.Contains(all, command) {
			all = append(all, command)
		}
	}
	return all
}
