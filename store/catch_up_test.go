package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// replicaOf opens a replica, which is checked and closed at the end of the test.
func replicaOf(t *testing.T, opts store.Options) *store.Store {
	t.Helper()
	opts.Replicated = true
	return open(t, tempPath(t, "replica.db"), &opts)
}

// numbers returns the numbers of a store that CatchUp takes from the backup.
func numbers(s *store.Store) []uint64 {
	return []uint64{s.LastIndex(), s.AppliedIndex(), s.Stats().Floor}
}

// TestCatchUp catches up from an empty store, from a state in between, and from the same state.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	ahead := replicaOf(t, store.Options{FeedRetention: -1})
	applyEach(t, ahead, 2, 3, 4)
	_, err := ahead.ApplyEntries(t.Context(), []store.Entry{entryOf(9, func(b *store.Batch) { b.Delete(idOf(3)) }), {Index: 11, Limits: store.Limits{Floor: 3}}})
	require.NoError(t, err)
	require.NoError(t, ahead.Compact(t.Context()))
	require.Equal(t, []uint64{9, 11, 3}, numbers(ahead))
	stream, info := backupOf(t, ahead)
	head, err := store.ReadBackupInfo(iotest.OneByteReader(bytes.NewReader(stream[:100])))
	require.NoError(t, err)
	require.Equal(t, store.BackupInfo{Index: 9, Applied: 11}, head)
	require.Equal(t, []uint64{9, 11}, []uint64{info.Index, info.Applied})
	for name, before := range map[string][]uint64{"empty": nil, "behind": {2, 3}, "equal": nil} {
		path := tempPath(t, "behind.db")
		s := openToClose(t, path, &store.Options{Replicated: true})
		applyEach(t, s, before...)
		if name == "equal" {
			require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream)))
		}
		require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream)), name)
		for range 2 {
			require.Equal(t, numbers(ahead), numbers(s), name)
			require.Equal(t, contentOf(t, ahead), contentOf(t, s), name)
			require.NoError(t, s.WaitApplied(t.Context(), 11))
			shut(t, s)
			s = openToClose(t, path, &store.Options{Replicated: true})
		}
		results, err := s.ApplyEntries(t.Context(), []store.Entry{{Index: 11}, entryOf(12, func(b *store.Batch) { b.Upsert(placed(12)) })})
		require.NoError(t, err)
		require.True(t, results[0].Skipped)
		require.Equal(t, uint64(12), results[1].Index)
		shut(t, s)
	}
}

// TestCatchUpRefuses gives a replica streams that it cannot take. It stays as it was, and leaves no
// file.
func TestCatchUpRefuses(t *testing.T) {
	t.Parallel()
	old := replicaOf(t, store.Options{})
	applyEach(t, old, 2)
	older, _ := backupOf(t, old)
	other := replicaOf(t, store.Options{})
	_, err := other.ApplyEntries(t.Context(), []store.Entry{{Index: 2}, {Index: 30}})
	require.NoError(t, err)
	foreign, _ := backupOf(t, other)
	s := replicaOf(t, store.Options{})
	applyEach(t, s, 2, 3, 5)
	same, _ := backupOf(t, s)
	content, was := contentOf(t, s), numbers(s)
	blocked, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		stream []byte
		want   error
		text   string
	}{
		"older":           {t.Context(), older, store.ErrIndexRegression, "has applied the log up to 5"},
		"another history": {t.Context(), foreign, store.ErrInvalid, "another history: at the applied index 30 its last index is 1, and the store's at 5 is 5"},
		"damaged":         {t.Context(), flipped(same, len(same)/2), store.ErrCorrupt, "backup at byte "},
		"cut":             {t.Context(), same[:len(same)-1], store.ErrCorrupt, "backup at byte "},
		"more":            {t.Context(), append(bytes.Clone(same), 0), store.ErrCorrupt, "more after the end"},
		"nothing":         {t.Context(), nil, store.ErrCorrupt, "backup at byte 0"},
		"canceled":        {blocked, same, context.Canceled, ""},
	} {
		err := s.CatchUp(c.ctx, bytes.NewReader(c.stream))
		require.ErrorIs(t, err, c.want, name)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, was, numbers(s), name)
		require.Equal(t, content, contentOf(t, s), name)
		onlyFile(t, s.Path())
	}
	var regression *store.IndexRegressionError
	require.ErrorAs(t, s.CatchUp(t.Context(), bytes.NewReader(older)), &regression)
	require.Equal(t, store.IndexRegressionError{Index: 2, Last: 5}, *regression)
	require.ErrorIs(t, s.CatchUp(t.Context(), nil), store.ErrInvalid)
	require.ErrorIs(t, s.CatchUp(t.Context(), iotest.ErrReader(errors.ErrUnsupported)), errors.ErrUnsupported)
	require.ErrorIs(t, open(t, tempPath(t, "no replica.db"), nil).CatchUp(t.Context(), bytes.NewReader(same)), store.ErrInvalid)
	_, err = store.ReadBackupInfo(nil)
	require.ErrorIs(t, err, store.ErrInvalid)
}

// flipped returns b with one bit of a byte changed.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}
