package program

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParallel(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	var sum atomic.Int64
	err := Parallel(10, func(g int) error {
		if sum.Add(int64(g)); g == 3 {
			return failure
		}
		return nil
	})
	require.ErrorIs(t, err, failure)
	require.EqualValues(t, 45, sum.Load(), "all goroutines ran")
}

func TestAwait(t *testing.T) {
	t.Parallel()
	n := 0
	last, ok := Await(5, time.Minute, func() int { n += 2; return n })
	require.True(t, ok)
	require.Equal(t, 6, last)
	last, ok = Await(5, time.Millisecond, func() int { return 4 })
	require.False(t, ok, "no progress")
	require.Equal(t, 4, last)
}
