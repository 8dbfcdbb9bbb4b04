package backup_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/backup"
	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// begin returns the beginning of a stream of index 7, with a first frame.
func begin(kind backupstream.Kind, payload []byte) []byte {
	b := backupstream.AppendHead(backupstream.AppendMagic(nil), backupstream.Head{Index: 7})
	return backupstream.AppendFrame(b, kind, payload)
}

// TestReadHead reads beginnings, and nothing after them.
func TestReadHead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream  []byte
		applied uint64
	}{
		"a note":               {begin(backupstream.JobFrame, []byte(logfile.NewNote(9, 3))), 9},
		"an old note":          {begin(backupstream.JobFrame, []byte(logfile.NewNote(5, 3))), 7},
		"a note with more":     {begin(backupstream.JobFrame, []byte(logfile.NewNote(9, 3)+"more")), 9},
		"a job":                {begin(backupstream.JobFrame, []byte("job")), 7},
		"a long job":           {begin(backupstream.JobFrame, make([]byte, 1<<20)), 7},
		"a record like a note": {begin(backupstream.RecordFrame, []byte(logfile.NewNote(9, 3))), 7},
		"the end":              {backupstream.AppendFoot(begin(backupstream.JobFrame, nil)[:8+4+1+4+8+4], backupstream.Foot{}), 7},
	} {
		index, applied, err := backup.ReadHead(io.MultiReader(bytes.NewReader(c.stream), iotest.ErrReader(errors.ErrUnsupported)))
		require.NoError(t, err, name)
		require.Equal(t, []uint64{7, c.applied}, []uint64{index, applied}, name)
	}
}

// TestReadHeadRefuses cuts a beginning at every length, and changes every byte.
func TestReadHeadRefuses(t *testing.T) {
	t.Parallel()
	whole := begin(backupstream.JobFrame, []byte(logfile.NewNote(9, 3)))
	for n := range whole {
		_, _, err := backup.ReadHead(bytes.NewReader(whole[:n]))
		require.ErrorIs(t, err, record.ErrCorrupt, "cut to %d bytes", n)
		changed := bytes.Clone(whole)
		changed[n] ^= 0x10
		index, applied, err := backup.ReadHead(bytes.NewReader(changed))
		if err == nil { // a length above all notes: it is no note
			require.Equal(t, []uint64{7, 7}, []uint64{index, applied}, "byte %d changed", n)
			continue
		}
		require.True(t, errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrFormatVersion), "byte %d changed: %v", n, err)
	}
	for name, stream := range map[string][]byte{
		"a note with impossible numbers": begin(backupstream.JobFrame, []byte(logfile.NewNote(3, 9))),
		"index 0":                        backupstream.AppendHead(backupstream.AppendMagic(nil), backupstream.Head{}),
		"the last of all indexes":        backupstream.AppendHead(backupstream.AppendMagic(nil), backupstream.Head{Index: math.MaxUint64}),
	} {
		_, _, err := backup.ReadHead(bytes.NewReader(stream))
		require.ErrorIs(t, err, record.ErrCorrupt, name)
		require.ErrorContains(t, err, "backup at byte ", name)
	}
}

// FuzzReadHead reads arbitrary bytes. A result is possible, and comes from the bytes alone.
func FuzzReadHead(f *testing.F) {
	f.Add(begin(backupstream.JobFrame, []byte(logfile.NewNote(9, 3))))
	f.Add(begin(backupstream.RecordFrame, []byte("key")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		index, applied, err := backup.ReadHead(r)
		if err != nil {
			require.True(t, errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrFormatVersion), "%v", err)
			return
		}
		require.LessOrEqual(t, index, applied)
		require.Positive(t, index)
		require.Less(t, applied, uint64(math.MaxUint64))
	})
}
