package lists

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestSinceIsInOrder has an allocation of unknown placement get a place, and then be deleted. A
// reader that keeps the latest event of each ID would else take the first for the last.
func TestSinceIsInOrder(t *testing.T) {
	t.Parallel()
	var ls Lists
	ls.Init()
	id, node := schema.ID{1}, Name{ByNode, "n"}
	unknown, here := UnknownPlace(), ls.Place(&Placement{ByNode: "n"}, 0)
	for _, c := range []Change{
		{ID: id, Index: 1, Is: unknown, Scheduled: true},
		{ID: id, Index: 2, Was: unknown, Is: unknown, Linked: true},
		{ID: id, Index: 3, Was: unknown, Is: here, Scheduled: true},
		{ID: id, Index: 4, Was: here, Is: here, Linked: true},
		{ID: id, Index: 5, Was: here},
	} {
		ls.Apply(&c)
	}
	gone, touches := ls.Since(&Query{Name: node, Variant: Placements, IDs: All()}, 0, 5)
	require.Equal(t, []Departure{{id, 3, Moved}, {id, 5, Removed}}, gone)
	require.Equal(t, []Departure{{id, 2, touched}, {id, 4, touched}}, touches)
}
