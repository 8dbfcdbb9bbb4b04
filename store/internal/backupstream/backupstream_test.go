package backupstream

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/record"
)

// stream returns a stream with a frame of each kind.
func stream() []byte {
	b := AppendHead(AppendMagic(nil), Head{Index: 7})
	b = AppendFrame(b, JobFrame, []byte("job"))
	b = AppendFrame(b, DamagedJobFrame, []byte("hash"), []byte("body"))
	b = AppendFrame(b, RecordFrame, []byte("key"), nil, []byte("value"))
	return AppendFoot(b, Foot{Floor: 1, Restored: 2, Records: 3, Jobs: 4, Sum: 5})
}

// A frame is one that was read.
type frame struct {
	kind    Kind
	payload string
}

// readAll reads a whole stream, up to its foot.
func readAll(from io.Reader, limit int64) (all []frame, err error) {
	r := NewReader(from, limit)
	if err := r.ReadMagic(); err != nil {
		return nil, err
	}
	for {
		kind, payload, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, frame{kind, string(payload)})
		if kind == FootFrame {
			return all, r.ExpectEnd()
		}
	}
}

// TestStream reads a stream in pieces of any size, and gets the frames that were written.
func TestStream(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]io.Reader{
		"whole":      bytes.NewReader(stream()),
		"byte-wise":  iotest.OneByteReader(bytes.NewReader(stream())),
		"with error": iotest.DataErrReader(bytes.NewReader(stream())),
	} {
		all, err := readAll(from, 40)
		require.NoError(t, err, name)
		require.Len(t, all, 5)
		require.Equal(t, []frame{{JobFrame, "job"}, {DamagedJobFrame, "hashbody"}, {RecordFrame, "keyvalue"}}, all[1:4])
		head, err := ParseHead([]byte(all[0].payload))
		require.NoError(t, err)
		require.Equal(t, Head{Index: 7}, head)
		foot, err := ParseFoot([]byte(all[4].payload))
		require.NoError(t, err)
		require.Equal(t, Foot{Floor: 1, Restored: 2, Records: 3, Jobs: 4, Sum: 5}, foot)
		_, err = ParseHead([]byte(all[4].payload))
		require.ErrorIs(t, err, record.ErrShape, "a head with more numbers")
		_, err = ParseFoot([]byte(all[0].payload))
		require.ErrorIs(t, err, record.ErrShape, "a foot with fewer numbers")
	}
}

// TestFormat holds the encoding to the bytes of released backups.
func TestFormat(t *testing.T) {
	t.Parallel()
	const begin = "allocbak\x00\x00\x00\x01" + "h\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x07\x59\xed\xc9\xcb"
	require.Equal(t, begin, string(AppendHead(AppendMagic(nil), Head{Index: 7})))
}

// TestDamagedStream cuts a stream at every length, and changes every byte of it. Each is refused
// with the place.
func TestDamagedStream(t *testing.T) {
	t.Parallel()
	whole := stream()
	for n := range whole {
		_, err := readAll(bytes.NewReader(whole[:n]), 40)
		require.ErrorIs(t, err, record.ErrCorrupt, "cut to %d bytes", n)
		require.ErrorIs(t, err, record.ErrShort, "cut to %d bytes", n)
		require.ErrorContains(t, err, "backup at byte ")

		changed := bytes.Clone(whole)
		changed[n] ^= 0x10
		_, err = readAll(bytes.NewReader(changed), 40)
		require.Error(t, err, "byte %d changed", n)
		require.True(t, errors.Is(err, record.ErrCorrupt) != errors.Is(err, record.ErrFormatVersion), "byte %d changed: %v", n, err)
	}
	_, err := readAll(bytes.NewReader(append(whole, 0)), 40)
	require.ErrorIs(t, err, errMore)
	require.ErrorIs(t, err, record.ErrCorrupt)
}

// TestLongFrame refuses a frame above the bound, without reading its payload.
func TestLongFrame(t *testing.T) {
	t.Parallel()
	_, err := readAll(bytes.NewReader(stream()), 39)
	require.ErrorIs(t, err, record.ErrTooLarge)
	require.ErrorIs(t, err, record.ErrCorrupt)
	require.ErrorContains(t, err, "a frame of 40 bytes")
}

// TestReadError returns the source's error as it is.
func TestReadError(t *testing.T) {
	t.Parallel()
	for n := range len(stream()) {
		from := io.MultiReader(bytes.NewReader(stream()[:n]), iotest.ErrReader(errors.ErrUnsupported))
		_, err := readAll(from, 40)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.NotErrorIs(t, err, record.ErrCorrupt)
	}
}

func TestIsBackup(t *testing.T) {
	t.Parallel()
	require.True(t, IsBackup(bytes.NewReader(stream())))
	require.False(t, IsBackup(bytes.NewReader(stream()[1:])))
	require.False(t, IsBackup(bytes.NewReader(stream()[:len(magic)-1])))
}

// FuzzReader reads arbitrary bytes. A stream that the Reader accepts encodes to the same bytes.
func FuzzReader(f *testing.F) {
	f.Add(stream())
	f.Add(AppendMagic(nil))
	f.Add(AppendFoot(AppendMagic(nil), Foot{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := readAll(bytes.NewReader(b), 1<<10)
		if err != nil {
			require.True(t, errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrFormatVersion), "%v", err)
			return
		}
		again := AppendMagic(nil)
		for _, fr := range all {
			again = AppendFrame(again, fr.kind, []byte(fr.payload))
		}
		require.Equal(t, b, again)
	})
}
