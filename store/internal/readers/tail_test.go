package readers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/readers"
)

// TestTail wakes two readers by one commit, and neither by the commit before.
func TestTail(t *testing.T) {
	t.Parallel()
	var tail readers.Tail
	tail.Wake()
	first, second := tail.After(), tail.After()
	require.False(t, closed(first), "a commit before After wakes no reader")
	tail.Wake()
	require.True(t, closed(first))
	require.True(t, closed(second))
	require.False(t, closed(tail.After()), "each commit wakes once")
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
