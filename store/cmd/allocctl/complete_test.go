//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// complete returns the words that the tool offers a shell for the last argument, and the directive.
func complete(t *testing.T, dir string, args ...string) (words []string, directive string) {
	t.Helper()
	began := time.Now()
	out, err := tool(t, dir, append([]string{"__complete"}, args...)...).Output()
	require.NoError(t, err)
	require.Less(t, time.Since(began), 3*time.Second, "the shell waits")
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	return lines[:len(lines)-1], lines[len(lines)-1]
}

const (
	noFile        = ":4" // do not offer files
	noFileNoSpace = ":6"
)

// TestComplete completes every argument and flag that a store has values for.
func TestComplete(t *testing.T) {
	t.Parallel()
	dir, last := shopStore(t)
	var nodes, evals []string
	for i := range statuses {
		nodes = append(nodes, fmt.Sprintf("e02b616%d-83bd-9df6-69bd-832765f333eb", i))
		evals = append(evals, fmt.Sprintf("e68125ed-3fba-fb46-46cc-291addbc445%d", i))
	}
	for _, c := range []struct {
		args, want []string
	}{
		{[]string{"get", "25"}, []string{last + "\tshop-frontend.web[5], lost"}},
		{[]string{"wait", last}, []string{last + "\tshop-frontend.web[5], lost"}},
		{[]string{"events", "203"}, []string{"203266e5-e0d6-9486-5e05-397ed2b184af\tshop-frontend.web[0], running"}},
		{[]string{"events", last, ""}, []string{"log shipper", "web"}},
		{[]string{"events", last, "w"}, []string{"web"}},
		{[]string{"list", "--node", ""}, nodes[:3]},
		{[]string{"list", "--node", nodes[1][:8]}, nodes[1:2]},
		{[]string{"list", "--job", "s"}, []string{"shop"}},
		{[]string{"list", "--job", "x"}, []string{}},
		{[]string{"list", "--eval", ""}, evals},
		{[]string{"list", "--prefix", "25"}, []string{last + "\tshop-frontend.web[5], lost"}},
		{[]string{"get", "xyz"}, []string{}},
		{[]string{"get", last, ""}, []string{}},
		{[]string{"list", ""}, []string{}},
	} {
		got, directive := complete(t, dir, c.args...)
		require.Equal(t, c.want, got, "%q", c.args)
		require.Equal(t, noFile, directive, "%q", c.args)
	}
	all, _ := complete(t, dir, "get", "")
	require.Len(t, all, len(statuses))
	_, directive := complete(t, dir, "restore", "")
	require.Equal(t, ":0", directive, "files")
}

// TestCompleteMany completes in a store with many allocations, digit by digit.
func TestCompleteMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "state.db"), nil)
	require.NoError(t, err)
	b := new(store.Batch)
	for n := range 2 * maxCompleted {
		b.Upsert(&schema.Allocation{ID: fmt.Sprintf("%08x-0000-0000-0000-000000000000", n*0x100000), Job: &schema.Job{ID: "a"}})
	}
	_, err = s.Apply(t.Context(), b)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	words, directive := complete(t, dir, "get", "")
	require.Equal(t, []string{"0", "1"}, words, "only these begin an ID")
	require.Equal(t, noFileNoSpace, directive)
	words, directive = complete(t, dir, "get", "01")
	require.Len(t, words, 16)
	require.Equal(t, noFile, directive)
}

// TestCompleteNothing completes without a store that can be read at once: nothing is offered, no error is
// shown, and the shell does not wait.
func TestCompleteNothing(t *testing.T) {
	t.Parallel()
	dir, _ := shopStore(t)
	s, err := store.Open(filepath.Join(dir, "state.db"), nil)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "damaged.db"), []byte("no store"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for _, source := range [][]string{{"-f", "state.db"}, {"-f", "absent.db"}, {"-f", "damaged.db"}, {"-f", "pipe"}, {"-f", dir}, {"-f", ""}, {"--addr", "http://127.0.0.1:1"}} {
		for _, args := range [][]string{{"get"}, {"wait"}, {"events"}, {"list", "--node"}, {"list", "--job"}, {"list", "--eval"}, {"list", "--prefix"}} {
			cmd := tool(t, dir, append(append([]string{"__complete"}, source...), append(args, "")...)...)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.Output()
			require.NoError(t, err)
			require.Equal(t, noFile+"\n", string(out), "%q %q", source, args)
			require.Equal(t, "Completion ended with directive: ShellCompDirectiveNoFileComp\n", said.String(), "%q %q", source, args)
		}
	}
	require.NoFileExists(t, filepath.Join(dir, "absent.db"))
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and answers nothing
	require.NoError(t, err)
	defer silent.Close()
	words, directive := complete(t, dir, "--addr", "http://"+silent.Addr().String(), "-f", "", "get", "")
	require.Empty(t, words)
	require.Equal(t, noFile, directive)
}
