package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.Contains(t, said.String(), "interrupted (2 allocations are in the store; go on with --after 11)")
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
	require.Contains(t, said, "90 allocations; the store is at")
}

// TestImportRefused has a line that is too large within a batch: the error names it, and the lines
// before it are in the store.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	code, said := importText(t, sized(1, 1)+sized(2, 1)+sized(3, 2<<20)+sized(4, 1))
	require.Equal(t, exitRefused, code)
	require.Regexp(t, `^allocctl: line 3: allocstore: too large: .*\(2 allocations are in the store; begin again`, said)
}

// TestImportOddLines has empty lines, which do not count, and one that is too long.
func TestImportOddLines(t *testing.T) {
	t.Parallel()
	code, said := importText(t, "\r\n"+sized(1, 1)+" \t\r\n"+sized(2, maxLine))
	require.Equal(t, exitRefused, code)
	require.Contains(t, said, "allocctl: line 4: longer than 16777216 bytes (1 allocations")
}

// sized returns a line with an allocation whose name has that size.
func sized(n, size int) string {
	return fmt.Sprintf(`{"ID":"%08d-0000-0000-0000-000000000000","Job":{"ID":"a"},"Name":%q}`+"\n", n, strings.Repeat("x", size))
}

// importText imports the lines into a new store, and returns the exit code and the error output.
func importText(t *testing.T, lines string) (code int, said string) {
	var text bytes.Buffer
	a := &app{in: strings.NewReader(lines), out: io.Discard, err: &text}
	return run(t.Context(), a, []string{"-f", filepath.Join(t.TempDir(), "state.db"), "import"}), text.String()
}
