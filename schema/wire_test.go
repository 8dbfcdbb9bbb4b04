package schema

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

func TestCodesAreTheLibrarys(t *testing.T) {
	t.Parallel()
	for ours, theirs := range map[byte]byte{
		codeFixMap: msgpcode.FixedMapLow, codeFixArray: msgpcode.FixedArrayLow, codeFixStr: msgpcode.FixedStrLow,
		codeNil: msgpcode.Nil, codeFalse: msgpcode.False, codeTrue: msgpcode.True,
		codeBin8: msgpcode.Bin8, codeBin16: msgpcode.Bin16, codeBin32: msgpcode.Bin32,
		codeExt8: msgpcode.Ext8, codeExt16: msgpcode.Ext16, codeExt32: msgpcode.Ext32,
		codeFloat32: msgpcode.Float, codeFloat64: msgpcode.Double,
		codeUint8: msgpcode.Uint8, codeUint16: msgpcode.Uint16, codeUint32: msgpcode.Uint32, codeUint64: msgpcode.Uint64,
		codeInt8: msgpcode.Int8, codeInt16: msgpcode.Int16, codeInt32: msgpcode.Int32, codeInt64: msgpcode.Int64,
		codeFixExt1: msgpcode.FixExt1, codeFixExt16: msgpcode.FixExt16,
		codeStr8: msgpcode.Str8, codeStr16: msgpcode.Str16, codeStr32: msgpcode.Str32,
		codeArray16: msgpcode.Array16, codeArray32: msgpcode.Array32, codeMap16: msgpcode.Map16, codeMap32: msgpcode.Map32,
		codeNegFix: msgpcode.NegFixedNumLow, fixIntMax: msgpcode.PosFixedNumHigh,
		fixStrLen: msgpcode.FixedStrMask, fixListLen: msgpcode.FixedArrayMask,
	} {
		require.Equal(t, theirs, ours, "a code must be the library's")
	}
}

// library returns the output of the library's encoder in its smallest forms.
func library(t *testing.T, write func(*msgpack.Encoder) error) []byte {
	var buf bytes.Buffer
	require.NoError(t, write(msgpack.NewEncoder(&buf)))
	return buf.Bytes()
}

func TestIntegersAgainstLibrary(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var values []int64
	for shift := range 64 {
		for off := range int64(3) {
			values = append(values, 1<<shift+off-1, -(1<<shift)+off-1, int64(r.Uint64())>>shift)
		}
	}
	for _, v := range values {
		src := appendInt(nil, v)
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeInt(v) }), src, "%d must be as short as can be", v)
		rd := reader{src: string(src)}
		require.Equal(t, v, rd.int64(), "an integer must come back")
		require.NoError(t, rd.end())
		require.False(t, rd.noncanonical, "%d in its smallest form is canonical", v)

		src = appendUint(nil, uint64(v))
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeUint(uint64(v)) }), src, "%d must be as short as can be", uint64(v))
		rd = reader{src: string(src)}
		require.Equal(t, uint64(v), rd.uint64(), "an integer must come back")
		require.NoError(t, rd.end())

		wide, err := msgpack.Marshal(v) // always nine bytes
		require.NoError(t, err)
		rd = reader{src: string(wide)}
		require.Equal(t, v, rd.int64(), "a longer form must be read too")
		require.Equal(t, len(wide) != len(appendInt(nil, v)) || v >= 0, rd.noncanonical, "another form of %d than ours is noncanonical", v)
	}
}

func TestLengthsAgainstLibrary(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000} {
		s := strings.Repeat("s", n)
		src := appendString(nil, s)
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeString(s) }), src, "a string of %d bytes", n)
		r := reader{src: string(src)}
		require.Equal(t, s, r.str(), "a string of %d bytes must come back", n)
		require.NoError(t, r.end())

		src = appendArrayLen(nil, n)
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) }), src, "an array of %d", n)
		r = reader{src: string(src) + strings.Repeat("\x00", n)}
		require.Equal(t, n, r.arrayLen(), "an array of %d that are there", n)
		r = reader{src: string(src) + strings.Repeat("\x00", max(0, n-1))}
		require.Equal(t, n == 0, r.arrayLen() == n && r.err == nil, "an array of %d of which one is not there", n)

		src = appendMapLen(nil, n)
		require.Equal(t, library(t, func(e *msgpack.Encoder) error { return e.EncodeMapLen(n) }), src, "a map of %d", n)
		r = reader{src: string(src) + strings.Repeat("\x00", 2*n)}
		require.Equal(t, n, r.mapLen(), "a map of %d that are there", n)
		r = reader{src: string(src) + strings.Repeat("\x00", max(0, 2*n-1))}
		require.Equal(t, n == 0, r.mapLen() == n && r.err == nil, "a map of %d of which half a one is not there", n)
	}
}

func TestFloats(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1)} {
		r := reader{src: string(appendFloat(nil, v))}
		require.Equal(t, math.Float64bits(v), math.Float64bits(r.float()), "a float keeps every bit of %v", v)
		require.NoError(t, r.end())
	}
	r := reader{src: "\xca\x3f\xc0\x00\x00"}
	require.InDelta(t, 1.5, r.float(), 0, "a shorter float is read too")
	r = reader{src: "\x01"}
	r.float()
	require.ErrorIs(t, r.end(), ErrMalformed, "an integer is no float")
}

// TestSkipAgainstLibrary skips one value of each code and length.
func TestSkipAgainstLibrary(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, lengths := range []string{"\x00\x00\x00\x00", "\x02\x00\x00\x00", "\x00\x02\x00\x00", "\x00\x00\x00\x02"} {
			src := string([]byte{byte(c)}) + lengths + strings.Repeat("\xc0", 600)
			in := bytes.NewReader([]byte(src))
			_, err := msgpack.NewDecoder(in).DecodeRaw()
			r := reader{src: src}
			r.skip()
			if err != nil {
				require.ErrorIs(t, r.err, ErrMalformed, "code %#x %q must be refused", c, lengths)
				continue
			}
			require.NoError(t, r.err, "code %#x %q must be skipped", c, lengths)
			require.Equal(t, len(src)-in.Len(), r.off, "code %#x %q must be skipped to its end", c, lengths)
		}
	}
}

func TestFirstFaultSticks(t *testing.T) {
	t.Parallel()
	r := reader{src: "\xa1a\x05\xa1b"}
	require.Equal(t, "a", r.str())
	require.Empty(t, r.str())
	require.Empty(t, r.str(), "nothing is read after a fault")
	require.Zero(t, r.arrayLen())
	require.ErrorIs(t, r.end(), ErrMalformed)
	require.ErrorContains(t, r.end(), "offset 2: want a string, found code 0x05")
}
