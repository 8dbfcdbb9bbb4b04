package schema

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

func TestMsgpackRoundTrip(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var stream bytes.Buffer
	enc := msgpack.NewEncoder(&stream)
	var want []*Allocation
	for range 200 {
		a := normal(t, randomAllocation(r))
		src, err := msgpack.Marshal(a)
		require.NoError(t, err)
		require.Equal(t, appendAllocation(nil, a), src, "the library must write our encoding")
		back := randomAllocation(r) // every field must be overwritten
		require.NoError(t, msgpack.Unmarshal(src, back))
		require.Equal(t, a, back, "the library must read our encoding")
		require.NoError(t, enc.Encode(a))
		want = append(want, a)
	}
	dec := msgpack.NewDecoder(io.MultiReader(&stream)) // this reader is not an io.ByteScanner
	for _, a := range want {
		var back Allocation
		require.NoError(t, dec.Decode(&back))
		require.Equal(t, a, &back, "a stream must yield its allocations one after the other")
	}
	require.ErrorIs(t, dec.Decode(new(Allocation)), io.EOF, "nothing must be read beyond an allocation's end")
}

func TestMsgpackInside(t *testing.T) {
	t.Parallel()
	type envelope struct {
		Before string
		Alloc  *Allocation
		None   *Allocation
		After  int
	}
	want := envelope{"before", documented(), nil, 7}
	src, err := msgpack.Marshal(want)
	require.NoError(t, err)
	var got envelope
	require.NoError(t, msgpack.Unmarshal(src, &got))
	require.Equal(t, want, got, "an allocation may be a field")
}

func TestMsgpackRefuses(t *testing.T) {
	t.Parallel()
	for rule, head := range map[string]string{
		"an array of 4G elements":  "\xdd\xff\xff\xff\xff",
		"a string of 4 GB":         "\x91\xdb\xff\xff\xff\xff",
		"more than the bound":      "\x91\xdb\x04\x00\x00\x00",
		"0xc1 is no code":          "\x91\xc1",
		"many lists of many lists": strings.Repeat("\xdd\x00\x40\x00\x00", 1000),
	} {
		err := msgpack.NewDecoder(io.MultiReader(strings.NewReader(head), endless{})).Decode(new(Allocation))
		require.ErrorIs(t, err, ErrMalformed, "must be refused: %s", rule)
	}
	deep := strings.Repeat("\x91", 1<<20) + "\xc0"
	require.ErrorIs(t, msgpack.Unmarshal([]byte(deep), new(Allocation)), ErrMalformed, "a million lists in one another are no allocation")
	require.ErrorIs(t, msgpack.Unmarshal([]byte("\x91\xa5abc"), new(Allocation)), io.ErrUnexpectedEOF, "a stream that ends is no bad encoding")
}

// endless is an endless stream of nils.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = codeNil
	}
	return len(p), nil
}

// TestMsgpackTakesWhatArrives claims lengths near the bound and delivers no bytes.
func TestMsgpackTakesWhatArrives(t *testing.T) {
	src := []byte("\x91\xdb\x03\xff\xff\x00")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Error(t, msgpack.Unmarshal(src, new(Allocation)))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "memory must be in proportion to the bytes that arrived")
}

// FuzzDecodeMsgpack compares any stream with decodeAllocation on the same bytes. Both must accept
// the same bytes, and memory must be in proportion to the bytes that arrived.
func FuzzDecodeMsgpack(f *testing.F) {
	a := withEvents(documented(), MaxTaskEvents)
	two := appendAllocation(appendAllocation(nil, a), a)
	for _, seed := range [][]byte{
		two[:len(two)/2], two, two[:len(two)/2-1], appendAllocation(nil, new(Allocation)),
		[]byte("\x91\xdb\x03\xff\xff\xff"), []byte("\xdd\xff\xff\xff\xff"), []byte("\x91\xc1"), bytes.Repeat([]byte("\xde\xff\xff"), 100),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		whole, wholeErr := decodeAllocation(string(src))
		stream := bytes.NewReader(src)
		dec := msgpack.NewDecoder(stream) // it reads a bytes.Reader without a buffer in between
		got, untouched := Allocation{ID: "before"}, Allocation{ID: "before"}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := dec.Decode(&got)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*atLeast+perByte*len(src)), "memory must be in proportion to the input")
		if wholeErr == nil {
			require.NoError(t, err, "a stream of one allocation must decode")
			require.Equal(t, *whole, got, "a stream must decode as its bytes do")
			require.Zero(t, stream.Len(), "all of it must be read")
			return
		}
		if err != nil {
			require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "an unexpected error: %v", err)
			require.Equal(t, untouched, got, "a refused stream must change nothing")
			return
		}
		first, err := decodeAllocation(string(src[:len(src)-stream.Len()]))
		require.NoError(t, err, "the bytes read must be one allocation")
		require.Equal(t, *first, got)
	})
}
