package state

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestListsKeepWhatReadersNeed changes placements at random and compares with a map for each
// index. A list has every ID that belongs to it at any index from the oldest reader on; and
// after a sweep up to the last index it has these IDs and no other.
func TestListsKeepWhatReadersNeed(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	ids := randomIDs(r, 30, false)
	names := []string{"", "a", "b"}
	l := new(Lists)
	l.init()
	type placements map[schema.ID]Placement
	past := []placements{{}} // by index
	oldest := 0
	for range 3000 {
		now := placements{}
		for id, p := range past[len(past)-1] {
			now[id] = p
		}
		id, index := ids[r.IntN(len(ids))], uint64(len(past))
		from, was := now[id]
		to := Placement{names[r.IntN(3)], names[r.IntN(3)], names[r.IntN(3)]}
		switch {
		case !was:
			l.insert(id, &to)
			now[id] = to
		case r.IntN(3) == 0:
			l.remove(id, &ListMove{From: from}, index)
			delete(now, id)
		default:
			l.move(id, &ListMove{From: from, To: to}, index)
			now[id] = to
		}
		past = append(past, now)
		if r.IntN(20) == 0 {
			oldest += r.IntN(len(past) - oldest)
			l.Sweep(uint64(oldest))
		}
		at := oldest + r.IntN(len(past)-oldest)
		for id, p := range past[at] {
			require.True(t, l.Has(List{Kind: Everything}, id), "index %d", at)
			for kind, name := range p {
				require.True(t, l.Has(List{ListKind(kind), name}, id), "index %d", at)
			}
		}
	}
	last := uint64(len(past))
	l.Sweep(last)
	require.False(t, l.Pending(last))
	require.Empty(t, l.mu.queue)
	require.Empty(t, l.mu.removals)
	now := past[len(past)-1]
	for _, list := range l.names() {
		page := l.Page(make([]schema.ID, 0, len(ids)), list, AllIDs())
		require.NotEmpty(t, page, "an empty list is not kept")
		want := 0
		for id, p := range now {
			if list.Kind == Everything || list.Named() && p[list.Kind] == list.Name {
				want++
				require.Contains(t, page, id)
			}
		}
		require.Len(t, page, want, "list %v", list)
	}
}

// TestUnknownPlacement moves an allocation out of the list of unknown placement.
func TestUnknownPlacement(t *testing.T) {
	t.Parallel()
	l := new(Lists)
	l.init()
	id := schema.ID{1}
	l.addLocked(listEntry{List{Kind: Everything}, id})
	l.addLocked(listEntry{List{Kind: UnknownPlacement}, id})
	l.move(id, &ListMove{To: Placement{ByNode: "n"}, FromUnknown: true}, 5)
	l.Sweep(4)
	require.True(t, l.Has(List{Kind: UnknownPlacement}, id))
	l.Sweep(5)
	require.False(t, l.Has(List{Kind: UnknownPlacement}, id))
	require.True(t, l.Has(List{Kind: ByNode, Name: "n"}, id))
	l.remove(id, &ListMove{From: Placement{ByNode: "n"}}, 6)
	l.Sweep(6)
	require.Empty(t, l.names())
}
