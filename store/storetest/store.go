package storetest

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"allocstore/store"
)

// Open returns a new, empty store for a test, in a temporary directory. It detects allocations that the
// test, or the code under test, changes after the store has returned them. Its log goes to the test's. At
// the end of the test, the store is checked and closed; a fault fails the test. A test may close the store
// itself, which then is not checked.
//
// Under testing/synctest, call Open within the bubble.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), &store.Options{
		DetectMutation: true,
		Logger:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		t.Helper()
		for err := range s.Check(context.Background()) {
			if !errors.Is(err, store.ErrClosed) {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
