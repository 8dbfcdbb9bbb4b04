package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/raftstore"
)

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"localhost:4646": "http://localhost:4646", "[::1]:1": "http://[::1]:1", "http://a:1": "http://a:1", "https://a": "https://a",
		"a": "a", "": "", "a:": "a:", "a:1/b": "a:1/b",
	} {
		require.Equal(t, want, addressOf(text), text)
	}
}

func TestParseMembers(t *testing.T) {
	t.Parallel()
	self := raftstore.Member{ID: "b", Address: "x:2", Voter: true}
	got, err := parseMembers(alone, self)
	require.NoError(t, err)
	require.Equal(t, []raftstore.Member{self}, got)
	got, err = parseMembers("a=x:1,b=x:2,x:3", self)
	require.NoError(t, err)
	require.Equal(t, []raftstore.Member{{ID: "a", Address: "x:1", Voter: true}, self, {ID: "x:3", Address: "x:3", Voter: true}}, got)
	for _, wrong := range []string{"", "a=x:1", "b=x:2,", "=x:2", "b=", "b=x:3,a=x:2"} {
		_, err := parseMembers(wrong, self)
		require.ErrorIs(t, err, errUsage, wrong)
	}
}

// TestIdentify keeps the ID of a node for ever.
func TestIdentify(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	id, err := (&nodeOptions{dir: dir}).identify("x:1")
	require.NoError(t, err)
	require.EqualValues(t, "x:1", id)
	for _, o := range []*nodeOptions{{dir: dir}, {dir: dir, id: "x:1"}} {
		id, err = o.identify("x:2")
		require.NoError(t, err)
		require.EqualValues(t, "x:1", id, "another address")
	}
	_, err = (&nodeOptions{dir: dir, id: "y"}).identify("x:1")
	require.ErrorContains(t, err, "the node in "+dir+" is x:1, for ever")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "id"), []byte("\n"), 0o600))
	_, err = (&nodeOptions{dir: dir}).identify("x:1")
	require.ErrorContains(t, err, "is empty")
}
