package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestModel applies batches to a store and to the model.
func TestModel(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "model.db"), nil)
	require.NoError(t, err)
	defer s.Close()
	up := func(id int, token string, previous int) write {
		return write{Kind: kindUpsert, ID: id, Token: token, Node: "node1", Job: "job", Previous: previous}
	}
	event := write{Kind: kindEvent, ID: 1, Token: "e"}
	var events []write
	for range 13 {
		events = append(events, event)
	}
	rows := make(map[int]row)
	for _, writes := range [][]write{
		{up(1, "a", 0), up(2, "b", 1)},
		{up(3, "c", 1), up(2, "d", 1)}, // 1 is followed by 2 as before
		{up(4, "e", 3)},
		events,
		{{Kind: kindStatus, ID: 1, Token: "f", Status: "lost"}, {Kind: kindDesired, ID: 1, Token: "g", Status: "stop"}},
		{{Kind: kindClient, ID: 1, Token: "h", Status: "running"}, {Kind: kindDelete, ID: 9}},
		{up(5, "i", 0), {Kind: kindDelete, ID: 5}},
		{{Kind: kindDelete, ID: 1}, up(1, "j", 2)},
		{{Kind: kindDelete, ID: 1}, {Kind: kindEvent, ID: 1, Token: "k"}},
		{{Kind: kindUpsert, ID: 1, Token: "l", Node: "node1", Job: "job", Filler: 5000}},
	} {
		b := batch{Writes: writes}
		applied, err := s.Apply(context.Background(), b.build())
		require.NoError(t, err)
		changed, unknown := b.apply(rows, s.LastIndex())
		for id, r := range changed {
			rows[id] = r
		}
		require.Len(t, unknown, len(applied.Unknown), "%v", writes)
		for id := range 10 {
			a, _ := s.Get(idOf(id))
			got, want := rowOf(idOf(id), a), rows[id]
			if a == nil {
				require.True(t, want.Absent || want == row{}, "%v makes %v", writes, want)
				continue
			}
			require.Equal(t, want, got, "%v", writes)
		}
	}
}
