package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestImportInterrupted interrupts an import that waits for the standard input: the lines before are in
// the store.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	ctx, interrupt := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	var said bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, &app{in: in, out: io.Discard, err: &said}, []string{"-f", path, "import"}) }()
	for _, line := range []string{
		`{"ID":"00000001-0000-0000-0000-000000000000","ModifyIndex":11,"Job":{"ID":"a"}}` + "\n",
		`{"ID":"00000002-0000-0000-0000-000000000000","ModifyIndex":12,"Job":{"ID":"a"}}` + "\n",
		`{"ID":"000000`,
		`03-`, // this write returns when all lines before it are read
	} {
		_, err := io.WriteString(typed, line)
		require.NoError(t, err)
	}
	interrupt()
	require.Equal(t, exitInterrupted, <-ended)
	require.Contains(t, said.String(), "interrupted (in the store: 2 allocations; go on with --after 11)")
	s, err := store.Open(path, &store.Options{ReadOnly: true})
	require.NoError(t, err)
	require.Equal(t, 2, s.Stats().Allocations)
	require.NoError(t, s.Close())
}

// TestImportLarge has allocations enough for one batch by number, and too many by size.
func TestImportLarge(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for n := range 90 {
		lines.WriteString(sized(n, 1<<20-100))
	}
	code, said := importText(t, lines.String())
	require.Zero(t, code, said)
	require.Contains(t, said, "90 allocations: 90 inserted")
}

// TestImportRefused has allocations that are too large, by the text and by the encoding, within a batch: each is
// reported with its line, and all others are in the store, by the flag or by the default also the large ones.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	text := "\r\n" + sized(1, 1) + " \t\r\n" + sized(2, 1) + sized(3, 3<<20) + sized(4, 1) + sized(5, 14<<20) + sized(6, 1)
	code, said := importText(t, text, "--max-allocation", "100KiB")
	require.Equal(t, exitRefused, code)
	require.Regexp(t, `^allocctl: line 7: .*too large: an object of more than 13238272 bytes
allocctl: line 5: .*too large: .*
4 allocations: 4 inserted; the store is at index [34]
allocctl: refused: 2, named above\n$`, said)

	code, said = importText(t, text)
	require.Zero(t, code, said)
	require.Contains(t, said, "6 allocations: 6 inserted")
}

// TestImportLimit has limits that are no sizes, or too large.
func TestImportLimit(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"0", "-1", "x", "513MiB", "99999999999999999999"} {
		code, said := importText(t, "", "--max-allocation", size)
		require.Equal(t, exitUsage, code)
		require.Contains(t, said, "want a size from 1B to 512MiB")
	}
}

// TestImportTextLimit has the bounds of the text of an object: the default takes all that a store with the default
// options may hold, in less than 1 GiB, and the flag bounds it by the size of the encoding.
func TestImportTextLimit(t *testing.T) {
	t.Parallel()
	im := new(importer)
	largest, err := im.setLimit("", false)
	require.NoError(t, err)
	require.Equal(t, maxAllocation, largest)
	require.Equal(t, 256<<20, im.maxText)
	for limit, want := range map[string]int64{"1B": 128 * 1025, "1MiB": 128*1<<20 + 128*1024, "512MiB": 128*512<<20 + 128*1024} {
		_, err = im.setLimit(limit, true)
		require.NoError(t, err)
		require.EqualValues(t, min(want, math.MaxInt), im.maxText, limit)
	}
}

// TestImportTakesLargestText has the three parts of an allocation full of the content whose text is the largest for its
// encoding: the default bound takes what a store with the default options may hold of it.
func TestImportTakesLargestText(t *testing.T) {
	t.Parallel()
	const count = 10_000
	var codec schema.Codec
	factor := func(a *schema.Allocation, encoded int) int {
		text, err := json.Marshal(a)
		require.NoError(t, err)
		return len(text)/encoded + 1
	}
	bare := schema.Allocation{ID: numbered(1)}
	job, scheduled, client := bare, bare, bare
	job.Job = &schema.Job{ID: "a", TaskGroups: []schema.TaskGroup{{Tasks: make([]schema.Task, count)}}}
	scheduled.Resources = &schema.Resources{Networks: make([]schema.NetworkResource, count)}
	client.TaskStates = make(map[string]*schema.TaskState)
	for n := range count {
		s := new(schema.TaskState)
		for range 10 {
			s.Events.Append(schema.TaskEvent{})
		}
		client.TaskStates[fmt.Sprint(n)] = s
	}
	encodedJob, err := codec.AppendValidJob(nil, job.Job, "")
	require.NoError(t, err)
	factors := []int{
		factor(&job, len(encodedJob)), factor(&scheduled, len(codec.AppendScheduler(nil, &scheduled))),
		factor(&client, len(codec.AppendClient(nil, &client))),
	}
	sum := 0
	for _, f := range factors {
		require.Less(t, f, textFactor)
		sum += f
	}
	require.Less(t, sum*store.DefaultMaxAllocationBytes, defaultMaxText, "%v", factors)
	t.Log(factors)
}

// TestFailureLeavesNoStore has restores and imports that fail. A store that they have created is removed; one that was
// there, or that holds an allocation, stays.
func TestFailureLeavesNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full, backup := filepath.Join(dir, "full.db"), filepath.Join(dir, "backup")
	code, _, said := runText(t, sized(1, 1), "-f", full, "import")
	require.Zero(t, code, said)
	code, _, said = runText(t, "", "-f", full, "backup", backup)
	require.Zero(t, code, said)
	content, err := os.ReadFile(backup)
	require.NoError(t, err)
	for name, c := range map[string]struct{ command, in string }{
		"restore text":      {"restore", "text"},
		"restore nothing":   {"restore", ""},
		"restore cut":       {"restore", string(content[:len(content)-9])},
		"restore cut gzip":  {"restore", "\x1f\x8b\x08"},
		"import text":       {"import", "text"},
		"import backup":     {"import", string(content)},
		"import cut gzip":   {"import", "\x1f\x8b\x08"},
		"import other JSON": {"import", `{"Name":"a"} [1] null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{c.command}
			if c.command == "restore" {
				args = append(args, "-")
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			code, _, said := runText(t, c.in, append([]string{"-f", path}, args...)...)
			require.NotZero(t, code)
			require.NotContains(t, said, "index", "of no store")
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left, "the store and its lock are removed")

			for _, before := range []string{"", sized(1, 1)} {
				code, _, said = runText(t, before, "-f", path, "import")
				require.Zero(t, code, said)
				code, _, _ = runText(t, c.in, append([]string{"-f", path}, args...)...)
				require.NotZero(t, code)
				require.FileExists(t, path, "it was there")
			}
			require.Len(t, exported(t, path), 1)
		})
	}
	half := filepath.Join(dir, "half.db")
	code, _, _ = runText(t, "text\n"+sized(1, 1), "-f", half, "import")
	require.Equal(t, exitRefused, code)
	require.Len(t, exported(t, half), 1)
}

// sized returns a line with an allocation whose name has that size.
func sized(n, size int) string {
	return fmt.Sprintf(`{"ID":"%08d-0000-0000-0000-000000000000","Job":{"ID":"a"},"Name":%q}`+"\n", n, strings.Repeat("x", size))
}

// importText imports the lines into a new store, and returns the exit code and the error output.
func importText(t *testing.T, lines string, flags ...string) (code int, said string) {
	args := append([]string{"-f", filepath.Join(t.TempDir(), "state.db"), "import"}, flags...)
	code, _, said = runText(t, lines, args...)
	return code, said
}

// runText runs a command, and returns its exit code and its outputs.
func runText(t *testing.T, in string, args ...string) (code int, out, said string) {
	var text, errText bytes.Buffer
	a := &app{in: strings.NewReader(in), out: &text, err: &errText}
	code = run(t.Context(), a, args)
	return code, text.String(), errText.String()
}
