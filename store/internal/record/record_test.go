package record

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	k := Key{7, 3}
	for f := Flags(1); f <= knownFlags; f++ {
		if f&(FlagSched|FlagClient|FlagTombstone) == 0 {
			continue
		}
		r := Record{Flags: f, ID: schema.ID{1}, Prev: Pair{Key{2, 1}, Key{5, 0}}}
		if f&FlagNext != 0 {
			r.Next = schema.ID{9}
		}
		if f&FlagSched != 0 {
			r.Created, r.Job, r.Sched = 2, JobHash{4}, "\x90"
		}
		if f&FlagClient != 0 {
			r.Client = "\x91\x01"
		}
		value := r.AppendTo([]byte("before"), k)[len("before"):]
		require.Len(t, value, r.Size())
		got, err := Parse(k, value)
		require.NoError(t, err)
		require.Equal(t, r, got)
		_, err = Parse(Key{7, 4}, value)
		require.ErrorIs(t, err, ErrChecksum, "the checksum covers the key")
	}
}

func FuzzParseRecord(f *testing.F) {
	k := Key{7, 3}
	r := Record{Flags: FlagSched | FlagClient | FlagNext, Sched: "\x90", Client: "\x90"}
	f.Add(r.AppendTo(nil, k), false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, value []byte, sum bool) {
		if sum && len(value) >= binHeader+fixedPart { // get past the checksum
			value = slices.Clone(value)
			c := sumRecord(k, value)
			value[2], value[3], value[4], value[5] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
		}
		r, err := Parse(k, value)
		if err != nil {
			return
		}
		if again, err := Parse(k, r.AppendTo(nil, k)); err != nil || again != r {
			t.Fatalf("a record that parses must encode to itself: %+v, %+v, %v", r, again, err)
		}
	})
}
