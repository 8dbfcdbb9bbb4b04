package readme

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const markdown = `Text.

    true         # a comment
    echo a # b   # prints a

<!-- test in scheduler -->
<!-- test as sleep 60 & -->
<!-- test as go test ./... -run x -->

    go test ./...

    sleep 60

` + "```go\n    fmt.Println()\n```\n```sh\n# nothing\nfalse\n```\n" + `
Run ` + "`go test ./...`, `go doc ./x`, `.ci/run`, `allocctl\nserve`, `Go`" + `.
`

func TestMarkdown(t *testing.T) {
	lines, err := Markdown("a.md", markdown)
	must(t, err)
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%d %s|%s|%s|%s", l.Number, l.Text, l.Run, l.Dir, l.Prints))
	}
	want := []string{
		"3 true|true|allocstore|", "4 echo a|echo a|allocstore|a",
		"10 go test ./...|go test ./... -run x|scheduler|", "12 sleep 60|sleep 60 &|scheduler|", "19 false|false|allocstore|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, wrong := range []string{"go test ./..", "go vet", "go test ./...x"} {
		if _, err := Markdown("a.md", strings.Replace(markdown, "as go test ./...", "as "+wrong, 1)); err == nil {
			t.Errorf("%q is no small form", wrong)
		}
	}
	found := unlisted(Inline(markdown), map[string]bool{"go test ./...": true})
	if want := []string{"go doc ./x", "test -x .ci/run", "allocctl serve --help"}; !slices.Equal(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
}

func TestDoc(t *testing.T) {
	lines := Doc("doc.go", "/*\nText.\n\n\tA=1 B=2\n\ttrue # x\n\n\tgo f()\n\n\t$ echo $A\n\t1\n\t$ false\n*/")
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%d %s|%v|%q", l.Number, l.Run, l.Transcript, l.Output))
	}
	want := []string{`4 A=1 B=2|false|""`, `5 true|false|""`, `9 echo $A|true|"1\n"`, `11 false|true|""`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestLinesCanFail runs wrong lines.
func TestLinesCanFail(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "there"), nil, 0o600))
	s := newSandbox(t, root, "```go\n```")
	for text, want := range map[string]string{
		"allocctl -f a.db list --job x": "list", "allocctl --addr http://a:1 wait ID": "wait", "allocctl check": "check", "curl x": "",
	} {
		if got := subcommand(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	for _, c := range []struct {
		line Line
		ok   bool
	}{
		{Line{Run: "test -e there"}, true},
		{Line{Run: "test -e elsewhere"}, false},
		{Line{Run: "no-such-program"}, false},
		{Line{Run: "cat main.go", Dir: "scheduler", Prints: "func main"}, true},
		{Line{Run: "cat main.go", Dir: "scheduler", Prints: "func other"}, false},
		{Line{Run: "A=1"}, true},
		{Line{Run: "echo $A; false", Transcript: true, Output: "1\n"}, true},
		{Line{Run: "echo $A", Transcript: true, Output: "2\n"}, false},
	} {
		if c.line.Dir == "" {
			c.line.Dir = "allocstore"
		}
		if err := s.run(t.Context(), &c.line); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.line.Run, err)
		}
	}
}
