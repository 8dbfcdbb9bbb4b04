package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGetAllocatesNothing checks the claim of Get's comment.
func TestGetAllocatesNothing(t *testing.T) {
	s := openTemp(t, nil)
	upsert(t, s, testAlloc(1))
	id := testAlloc(1).ID
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := s.Get(id); err != nil {
			t.Fatal(err)
		}
	}))
}
