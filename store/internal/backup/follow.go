package backup

import (
	"fmt"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/state"
)

// MayFollow returns why m cannot be the manifest of a later state of the history of st, or nil. It
// compares the numbers that never fall in a history. With equal applied indexes the others must be
// equal too. Two histories that have the same numbers are not told apart.
//
// Errors: index.ErrRegression if m has applied less; schema.ErrInvalid for another history.
func MayFollow(m *logfile.Manifest, st *state.State) error {
	last, restored := st.Indexes()
	applied, kept := st.Applied(), st.Kept.Load()
	if m.Applied() < applied {
		return fmt.Errorf("the backup is older than the store, which has applied the log up to %d: %w", applied, &index.RegressionError{Index: m.Applied(), Last: applied})
	}
	for _, n := range []struct {
		name     string
		its, own uint64
	}{{"last index", m.Last, last}, {"last restore", m.Restored, restored}, {"floor of its entries", m.Note.Kept(), kept}} {
		if n.its < n.own || m.Applied() == applied && n.its != n.own {
			return fmt.Errorf("%w: the backup has another history: at the applied index %d its %s is %d, and the store's at %d is %d",
				schema.ErrInvalid, m.Applied(), n.name, n.its, applied, n.own)
		}
	}
	return nil
}
