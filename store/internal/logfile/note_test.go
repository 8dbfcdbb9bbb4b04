package logfile

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/record"
)

// TestNoteFormat holds the encoding to the bytes of released files and backups.
func TestNoteFormat(t *testing.T) {
	t.Parallel()
	const bytes = "\xc1allocstore note" + "\x00\x00\x00\x00\x00\x00\x01\x09" + "\x00\x00\x00\x00\x00\x00\x00\x07"
	require.Equal(t, Note(bytes), NewNote(265, 7))
	n, err := ParseNote([]byte(bytes + "numbers of a later release"))
	require.NoError(t, err)
	require.Equal(t, []uint64{265, 7}, []uint64{n.Applied(), n.Kept()})
	require.Equal(t, []uint64{0, 0}, []uint64{Note("").Applied(), Note("").Kept()})
	for _, bad := range []Note{"", Note(bytes[:len(bytes)-1]), Note("x" + bytes[1:]), NewNote(5, 6), NewNote(math.MaxUint64, 6)} {
		_, err := ParseNote([]byte(bad))
		require.ErrorIs(t, err, record.ErrShape, "%q", bad)
	}
}

// TestNoteIsAJobToOlderReleases computes the content sum as releases do that know no notes.
func TestNoteIsAJobToOlderReleases(t *testing.T) {
	t.Parallel()
	m := Manifest{Sum: 5, Last: 9, Floor: 7, Restored: 3, Note: NewNote(12, 4)}
	older := Manifest{Sum: 5, Last: 9, Floor: 7, Restored: 3}
	older.Sum.Add(record.HashJob(string(m.Note)).SumNumber())
	require.Equal(t, older.Total(), m.Total())
}

// TestTakeNote takes one valid note from the jobs of a file.
func TestTakeNote(t *testing.T) {
	t.Parallel()
	var m StoredManifest
	n := NewNote(12, 4)
	h := n.hash()
	take := func(key []byte, body string) (bool, error) { return m.TakeNote(key, []byte(body)) }
	for name, in := range map[string]struct{ key, body string }{
		"a job":          {string(h[:]), "body"},
		"another's hash": {string(make([]byte, len(h))), string(n)},
		"a short key":    {"key", string(n)},
	} {
		taken, err := take([]byte(in.key), in.body)
		require.NoError(t, err, name)
		require.False(t, taken, name)
	}
	bad := NewNote(4, 12)
	hash := bad.hash()
	_, err := take(hash[:], string(bad))
	require.ErrorIs(t, err, record.ErrCorrupt)
	taken, err := take(h[:], string(n))
	require.NoError(t, err)
	require.True(t, taken)
	require.Equal(t, []uint64{12, 4}, []uint64{m.Applied(), m.Note.Kept()})
	require.False(t, m.SetApplied(12, 4), "the file has it")
	_, err = take(h[:], string(n))
	require.ErrorIs(t, err, record.ErrCorrupt, "two notes")
}

// TestSetApplied changes the note only when the last index does not tell the applied one, or the
// floor has changed.
func TestSetApplied(t *testing.T) {
	t.Parallel()
	m := Manifest{Last: 9}
	require.False(t, m.SetApplied(9, 0))
	require.Empty(t, m.Note)
	require.True(t, m.SetApplied(10, 0))
	require.True(t, m.SetApplied(10, 0), "until it is stored")
	m.noted, m.Last = m.Note.hash(), 20
	require.False(t, m.SetApplied(20, 0))
	require.Equal(t, []uint64{10, 20}, []uint64{m.Note.Applied(), m.Applied()}, "an old note stays")
	require.True(t, m.SetApplied(20, 8))
	require.Equal(t, []uint64{20, 8}, []uint64{m.Note.Applied(), m.Note.Kept()})
}

// FuzzParseNote reads any bytes. A Note that is accepted keeps them, and has numbers in order.
func FuzzParseNote(f *testing.F) {
	f.Add([]byte(NewNote(12, 4)))
	f.Add([]byte(noteMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseNote(b)
		if err != nil {
			require.ErrorIs(t, err, record.ErrShape)
			return
		}
		require.Equal(t, string(b), string(n))
		require.GreaterOrEqual(t, n.Applied(), n.Kept())
		require.True(t, IsNote(b))
	})
}
