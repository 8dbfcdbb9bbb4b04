package store

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReaders registers and removes readers at random while the last index rises, and compares
// with a plain list of the readers.
func TestReaders(t *testing.T) {
	t.Parallel()
	r, rng := new(readers), rand.New(rand.NewPCG(1, 2))
	r.init()
	last := uint64(1)
	var open []uint64
	for range 10_000 {
		switch k := rng.IntN(8); {
		case k == 0:
			last += rng.Uint64N(3)
		case k < 4:
			require.Equal(t, last, r.enter(func() uint64 { return last }))
			open = append(open, last)
		case len(open) > 0:
			i := rng.IntN(len(open))
			r.leave(open[i])
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
		oldest := last
		for _, index := range open {
			oldest = min(oldest, index)
		}
		require.Equal(t, oldest, r.oldest(last), "the oldest index that a reader needs")
		require.Equal(t, len(open), r.len())
	}
}
