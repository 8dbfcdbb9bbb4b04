package store

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// noticing are the options of a test that has none of its own.
var noticing = &Options{DetectMutation: true}

// Sound has every invariant of a store looked at, unless it is closed.
func Sound(t testing.TB, s *Store) {
	t.Helper()
	for err := range s.Check(context.Background()) {
		if !errors.Is(err, ErrClosed) {
			require.NoError(t, err)
		}
	}
}

// shut closes a store that has to be sound.
func shut(t testing.TB, s *Store) {
	t.Helper()
	Sound(t, s)
	require.NoError(t, s.Close())
}
