package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestExtraKeysGoEverywhere writes an allocation of a later version, and compares it in the feed,
// in a snapshot, after reopening, and in a restored backup. A value that is only written in
// another way is no change.
func TestExtraKeysGoEverywhere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/allocation-later.json")
	require.NoError(t, err)
	want, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "extra.db")
	s := open(t, path, nil)
	applied, err := s.Upsert(t.Context(), want)
	require.NoError(t, err)
	want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = applied.Index, applied.Index, applied.Index
	requireSame := func(s *store.Store) {
		t.Helper()
		got, err := s.Get(want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	requireSame(s)
	for ch, err := range s.Changes(t.Context(), 1) {
		require.NoError(t, err)
		require.Equal(t, want, ch.Alloc, "the feed")
		break
	}
	var backup bytes.Buffer
	_, err = s.Backup(t.Context(), &backup)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, path, nil)
	requireSame(s)

	again := want.Clone()
	again.Extra["CreateTime"] = json.RawMessage(" 1538521203654352346\n")
	again.ClientExtra["NetworkStatus"] = json.RawMessage(`{"InterfaceName":"\u0065th0", "Address":"172.26.64.14", "DNS":null}`)
	applied, err = s.Upsert(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, 1, applied.Unchanged)
	applied, err = s.UpdateFromClient(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, 1, applied.Unchanged)
	again.Extra["CreateTime"] = json.RawMessage("1538521203654352347") // one more in the last digit
	applied, err = s.Upsert(t.Context(), again)
	require.NoError(t, err)
	require.Zero(t, applied.Unchanged)

	require.NoError(t, s.Restore(context.Background(), &backup))
	want.Extra["CreateTime"] = json.RawMessage("1538521203654352346")
	requireSame(s)
}

// TestExtraKeysCount refuses an allocation that its extra keys make too large, and one that is
// changed through them after it was handed out.
func TestExtraKeysCount(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "extra.db"), &store.Options{DetectMutation: true, MaxAllocationBytes: 4000})
	require.NoError(t, err)
	a := &schema.Allocation{ID: idOf(1), Job: &schema.Job{ID: "j"}}
	a.Extra = map[string]json.RawMessage{"Own": json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 4000)) + `"`)}
	_, err = s.Upsert(t.Context(), a)
	require.ErrorIs(t, err, store.ErrTooLarge)
	ev := schema.TaskEvent{Type: "Started", Extra: a.Extra}
	a.Extra = map[string]json.RawMessage{"Own": json.RawMessage(`[1]`)}
	_, err = s.Upsert(t.Context(), a)
	require.NoError(t, err)
	_, err = s.AppendTaskEvent(t.Context(), a.ID, "redis", "", ev)
	require.ErrorIs(t, err, store.ErrTooLarge)
	ev.Extra = map[string]json.RawMessage{"Own": json.RawMessage(`{`)}
	_, err = s.AppendTaskEvent(t.Context(), a.ID, "redis", "", ev)
	require.ErrorIs(t, err, store.ErrInvalid)

	got, err := s.Get(a.ID)
	require.NoError(t, err)
	got.Extra["Own"][1] = '2'
	_, err = s.Get(a.ID)
	require.ErrorIs(t, err, store.ErrMutated)
	got.Extra["Own"][1] = '1'
	require.ErrorIs(t, s.Close(), store.ErrMutated)
}
