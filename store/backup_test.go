package store_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// besides is a writer that has something done when it is first written to.
type besides struct {
	bytes.Buffer
	do func()
}

func (w *besides) Write(b []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Buffer.Write(b)
}

// TestBackupBesideSweep deletes an allocation whose insert the backup has read already, and
// has compaction remove both: it does not come to life again.
func TestBackupBesideSweep(t *testing.T) {
	t.Parallel()
	for name, sweep := range map[string]func(*store.Store) error{
		"a pass":    func(s *store.Store) error { return s.Sweep(t.Context()) },
		"a rewrite": func(s *store.Store) error { return s.Compact(t.Context()) },
	} {
		s := open(t, filepath.Join(t.TempDir(), "from.db"), &store.Options{FeedRetention: -1})
		upsert(t, s, placed(0))
		for n := range 5 { // more than a backup reads at once
			a := placed(n + 1)
			a.Job = &schema.Job{ID: "job", Name: strings.Repeat(string(rune('a'+n)), 500_000)}
			upsert(t, s, a)
		}
		_, err := s.Delete(t.Context(), idOf(0))
		require.NoError(t, err)
		want := mustShow(t, s)
		w := &besides{do: func() { require.NoError(t, sweep(s), name) }}
		_, err = s.Backup(t.Context(), w)
		require.NoError(t, err, name)
		to := open(t, filepath.Join(t.TempDir(), "to.db"), nil)
		require.NoError(t, to.Restore(t.Context(), &w.Buffer))
		require.Equal(t, want, mustShow(t, to), name)
		dead := s.Stats().DeadBytes
		require.NoError(t, s.Sweep(t.Context()))
		require.LessOrEqual(t, s.Stats().DeadBytes, dead, "once the backup is over it goes on")
	}
}
