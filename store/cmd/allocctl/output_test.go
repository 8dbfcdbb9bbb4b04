package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// A fullWriter takes some bytes, and fails then.
type fullWriter struct{ room int }

// Write writes as much as there is room for.
func (w *fullWriter) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	if w.room -= n; n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// silent has the commands that write nothing to the standard output.
var silent = []string{"backup", "compact", "import", "restore", "serve"}

// commandLines has the arguments of each command that writes to the standard output. F is a store, B a new
// file, ID an allocation's ID, URL a node's address.
var commandLines = map[string][]string{
	"":                      {"", "--help", "help", "help import", "__complete li"},
	"backup":                {"-f F backup -"},
	"check":                 {"-f F check"},
	"cluster join":          {"--addr URL cluster join a b"},
	"cluster leave":         {"--addr URL cluster leave a"},
	"cluster snapshot":      {"--addr URL cluster snapshot -"},
	"cluster status":        {"--addr URL cluster status", "--addr URL cluster status --json"},
	"cluster transfer":      {"--addr URL cluster transfer", "--addr URL cluster transfer b"},
	"completion bash":       {"completion bash"},
	"completion fish":       {"completion fish"},
	"completion powershell": {"completion powershell"},
	"completion zsh":        {"completion zsh"},
	"events":                {"-f F events ID", "-f F events ID --json"},
	"export":                {"-f F export"},
	"follow":                {"-f F follow"},
	"get":                   {"-f F get ID", "-f F get 2"},
	"list":                  {"-f F list", "-f F list --json"},
	"stats":                 {"-f F stats", "-f F stats --json"},
	"wait":                  {"-f F wait ID --index 1"},
}

// allCommands returns the commands below c that run, by their names.
func allCommands(c *cobra.Command, name string) []string {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, allCommands(sub, strings.TrimSpace(name+" "+sub.Name()))...)
	}
	if c.Runnable() && name != "" && name != "help" {
		names = append(names, name)
	}
	return names
}

// TestOutputFails runs every command with an output that takes nothing, and with one that takes all but the
// last byte: it fails, and says why.
func TestOutputFails(t *testing.T) {
	t.Parallel()
	root := newRoot(&app{})
	root.InitDefaultCompletionCmd()
	for _, name := range allCommands(root, "") {
		require.True(t, commandLines[name] != nil || slices.Contains(silent, name), "what does %q write to the standard output?", name)
	}
	text, err := os.ReadFile("../../../testdata/allocation.json")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	code, _, said := runText(t, string(text), "-f", path, "import")
	require.Zero(t, code, said)
	node := httptest.NewServer(http.HandlerFunc(answerAsNode))
	t.Cleanup(node.Close)
	for _, lines := range commandLines {
		for _, line := range lines {
			t.Run(line, func(t *testing.T) {
				args := strings.Fields(strings.NewReplacer("URL", node.URL, "F", path, "ID", "203266e5-e0d6-9486-5e05-397ed2b184af").Replace(line))
				code, whole, said := runText(t, "", args...)
				require.Zero(t, code, said)
				for _, room := range []int{0, len(whole) - 1} {
					require.Regexp(t, `(?m)^allocctl: .*no space left on device$`, outputFails(t, args, room))
				}
			})
		}
	}
}

// answerAsNode answers the requests of allocctl cluster as a node of two members.
func answerAsNode(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/allocstore/status":
		_, _ = io.WriteString(w, `{"Leader":"a","Members":[{"ID":"a","Address":"x:1","Voter":true,"State":"Leader","LastIndex":9},{"ID":"b","Address":"x:2","Failure":"down"}]}`)
	case "/v1/allocstore/join":
		_, _ = io.WriteString(w, "{}")
	case "/v1/operator/snapshot":
		sum := sha256.Sum256([]byte("content"))
		w.Header().Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum[:]))
		_, _ = io.WriteString(w, "content")
	}
}

// outputFails runs a command whose output has that room, and returns its messages.
func outputFails(t *testing.T, args []string, room int) string {
	var said bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &fullWriter{room}, err: &said}
	require.Equal(t, exitFailed, run(t.Context(), a, args), "%s", &said)
	return said.String()
}
