package lists

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestCursorIsBounded has 42,000 departures from a list while a reader stands at its first page. The
// cursor remembers a limited number of them, and finds every member as of its index.
func TestCursorIsBounded(t *testing.T) {
	t.Parallel()
	const members, others, rounds = 6_000, 12_000, 3
	r := rand.New(rand.NewPCG(1, 2))
	var ls Lists
	ls.Init()
	here := ls.Place(&Placement{ByNode: "n"}, 0)
	ids := randomIDs(r, members+others, false)
	for _, id := range ids[:members] {
		ls.Apply(&Change{ID: id, Index: 1, Is: here, Scheduled: true})
	}
	var c Cursor
	c.Init(&ls, &Query{Name: Name{ByNode, "n"}, IDs: All()}, 1)
	found := make(map[schema.ID]bool)
	take := func(page []schema.ID) bool {
		for _, id := range page {
			if found[id] {
				t.Errorf("%v comes twice", id)
			}
			found[id] = true
		}
		return len(page) > 0
	}
	require.True(t, take(c.Next()))
	for _, id := range ids[:members] {
		ls.Apply(&Change{ID: id, Index: 2, Was: here})
	}
	for i := range uint64(2 * rounds) { // they were no members at the index
		for _, id := range ids[members:] {
			if i%2 == 0 {
				ls.Apply(&Change{ID: id, Index: 3 + i, Is: here, Scheduled: true})
			} else {
				ls.Apply(&Change{ID: id, Index: 3 + i, Was: here})
			}
		}
	}
	for take(c.Next()) {
		require.LessOrEqual(t, len(c.left), maxLeft)
		require.LessOrEqual(t, cap(c.left), 4*maxLeft, "the memory that the cursor keeps")
	}
	for _, id := range ids[:members] {
		if !found[id] {
			t.Errorf("%v was a member", id)
		}
	}
}
