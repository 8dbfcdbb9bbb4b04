package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNewFile writes a file while another one gets its name, or while the old one becomes a store, or with an
// error: the old content stays, and nothing else is left.
func TestNewFile(t *testing.T) {
	t.Parallel()
	const backup, store = "allocbak, the old one", "\x00...............\xed\xda\x0c\xed, a store"
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		before, meanwhile string
		replace           bool
		err               error // of fn
		want              error
		after             string
	}{
		"new":                         {after: "new"},
		"old one stays":               {before: backup, want: fs.ErrExist, after: backup},
		"replaced":                    {before: backup, replace: true, after: "new"},
		"name is taken meanwhile":     {meanwhile: backup, want: fs.ErrExist, after: backup},
		"store appears meanwhile":     {meanwhile: store, replace: true, want: fs.ErrExist, after: store},
		"backup becomes a store":      {before: backup, meanwhile: store, replace: true, want: fs.ErrExist, after: store},
		"writing fails":               {err: failed, want: failed},
		"writing fails, old one":      {before: backup, replace: true, err: failed, want: failed, after: backup},
		"store stays with --replace":  {before: store, replace: true, want: fs.ErrExist, after: store},
		"unknown content stays, too":  {before: "x", replace: true, want: fs.ErrExist, after: "x"},
		"unknown content, by default": {before: "x", want: fs.ErrExist, after: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			put := func(text string) {
				if text != "" {
					require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
				}
			}
			put(c.before)
			a := new(app)
			f := newFile{path, 0o600, func(path string) error { return a.mayReplace(path, c.replace) }}
			err := f.write(func(w io.Writer) error {
				put(c.meanwhile)
				_, err := io.WriteString(w, "new")
				return errors.Join(err, c.err)
			})
			require.ErrorIs(t, err, c.want)
			text, err := os.ReadFile(path)
			if c.after == "" {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			require.Equal(t, c.after, string(text))
			left, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			require.LessOrEqual(t, len(left), 1, "%v", left)
		})
	}
}

// TestNewFileWithoutLinks publishes on a file system without links.
func TestNewFileWithoutLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noLink := func(from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.ENOTSUP}
	}
	taken := errors.New("taken")
	f := newFile{path: filepath.Join(dir, "file"), mayReplace: func(string) error { return taken }}
	tmp := filepath.Join(dir, "tmp")
	for n, want := range []error{nil, taken} {
		require.NoError(t, os.WriteFile(tmp, []byte{byte('0' + n)}, 0o600))
		require.ErrorIs(t, f.publish(tmp, noLink), want)
		text, err := os.ReadFile(f.path)
		require.NoError(t, err)
		require.Equal(t, "0", string(text))
	}
	f.mayReplace = func(string) error { return nil }
	require.NoError(t, f.publish(tmp, noLink))
	text, err := os.ReadFile(f.path)
	require.NoError(t, err)
	require.Equal(t, "1", string(text))
}
