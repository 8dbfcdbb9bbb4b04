package readers_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/readers"
)

// TestGate lets waits come, go and be reached at random, and compares with a plain list of them.
func TestGate(t *testing.T) {
	t.Parallel()
	type wait struct {
		index uint64
		pass  *readers.Pass
	}
	var g readers.Gate
	var open []wait
	rng, reached := rand.New(rand.NewPCG(1, 3)), uint64(0)
	for range 10_000 {
		switch k := rng.IntN(8); {
		case k < 4:
			index := reached + 1 + rng.Uint64N(9)
			open = append(open, wait{index, g.Enter(index)})
		case k < 6 && len(open) > 0:
			i := rng.IntN(len(open))
			g.Leave(open[i].pass)
			require.False(t, closed(open[i].pass.Opened()))
			open = slices.Delete(open, i, i+1)
		case k == 6:
			reached += rng.Uint64N(4)
			g.Raise(reached)
			open = slices.DeleteFunc(open, func(w wait) bool {
				require.Equal(t, w.index <= reached, closed(w.pass.Opened()), "a wait for %d at %d", w.index, reached)
				return w.index <= reached
			})
		}
	}
	g.Wake()
	for _, w := range open {
		require.True(t, closed(w.pass.Opened()), "Wake ends all waits")
	}
}
