package readers_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/readers"
)

// TestSet registers and removes readers at random while the last index rises, and compares
// with a plain list of the readers.
func TestSet(t *testing.T) {
	t.Parallel()
	r, rng := new(readers.Set), rand.New(rand.NewPCG(1, 2))
	last := uint64(1)
	var open []uint64
	for range 10_000 {
		switch k := rng.IntN(8); {
		case k == 0:
			last += rng.Uint64N(3)
		case k < 4:
			require.Equal(t, last, r.Enter(func() uint64 { return last }))
			open = append(open, last)
		case len(open) > 0:
			i := rng.IntN(len(open))
			r.Leave(open[i])
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
		oldest := last
		for _, index := range open {
			oldest = min(oldest, index)
		}
		require.Equal(t, oldest, r.Oldest(last), "the oldest index that a reader needs")
		require.Equal(t, len(open), r.Len())
	}
}

// TestWithOldest holds off a reader while it forgets the past: the reader must see the effect.
func TestWithOldest(t *testing.T) {
	t.Parallel()
	var s readers.Set
	s.Enter(func() uint64 { return 3 })
	floor := uint64(0)
	entered := make(chan uint64)
	s.WithOldest(5, func(oldest uint64) {
		go func() { s.Enter(func() uint64 { entered <- floor; return 5 }) }()
		floor = oldest
	})
	require.Equal(t, uint64(3), <-entered, "the oldest index, which the later reader sees")
}
