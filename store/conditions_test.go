package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestConditionsHaveASize has a batch of nothing but conditions that name little. It is bounded by
// Options.MaxBatchBytes like any other, since the committer looks at each of them.
func TestConditionsHaveASize(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s := open(t, tempPath(t, "conditions.db"), &store.Options{MaxBatchBytes: limit})
	for _, expect := range []func(*store.Batch){
		func(b *store.Batch) { b.ExpectList(store.Everything(), 1) },
		func(b *store.Batch) { b.ExpectList(store.Node(""), 1) },
		func(b *store.Batch) { b.Expect(idOf(1), 0) },
	} {
		b := new(store.Batch)
		for range 1000 {
			expect(b)
		}
		_, err := s.Apply(t.Context(), b)
		require.NoError(t, err)
		for range limit / 32 {
			expect(b)
		}
		_, err = s.Apply(t.Context(), b)
		require.ErrorIs(t, err, store.ErrTooLarge)
	}
}
