package index_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/index"
)

func TestNextNeverWrapsToNone(t *testing.T) {
	i, err := index.Next(index.Created)
	require.NoError(t, err)
	require.Equal(t, uint64(2), i, "the first write's index follows the creation's")
	i, err = index.Next(math.MaxUint64 - 2)
	require.NoError(t, err)
	for range 2 {
		_, err = index.Next(i)
		require.ErrorIs(t, err, index.ErrExhausted)
		i++
	}
	_, err = index.At(7, math.MaxUint64)
	require.ErrorIs(t, err, index.ErrExhausted, "an index must have a next one")
}

func TestFutureError(t *testing.T) {
	err := error(&index.FutureError{Index: 9, Last: 7})
	require.ErrorIs(t, err, index.ErrFuture)
	require.NotErrorIs(t, err, index.ErrRegression)
	require.EqualError(t, err, "index 9 is above the last index, 7")
}

func TestCommittedIsNeverBelowTheLastIndex(t *testing.T) {
	var x index.Index
	x.Publish(5)
	require.Equal(t, uint64(5), x.Committed(), "as after Open")
	x.Commit(7)
	require.Equal(t, []uint64{7, 5}, []uint64{x.Committed(), x.Last()}, "while 6 and 7 are being published")
	x.Publish(6)
	x.Publish(7)
	x.Commit(7)
	require.Equal(t, []uint64{7, 7}, []uint64{x.Committed(), x.Last()})
}

func TestAtRefusesWhatIsNotAbove(t *testing.T) {
	i, err := index.At(7, 1000)
	require.NoError(t, err, "gaps are fine")
	require.Equal(t, uint64(1000), i)
	for _, want := range []uint64{index.None, index.Created, 6, 7} {
		_, err := index.At(7, want)
		var regression *index.RegressionError
		require.ErrorIs(t, err, index.ErrRegression)
		require.True(t, errors.As(err, &regression))
		require.Equal(t, index.RegressionError{Index: want, Last: 7}, *regression, "the error carries both indexes")
	}
}

func TestPublishNeverGoesBack(t *testing.T) {
	var x index.Index
	for _, i := range []uint64{1, 5, 3, 5, 9} {
		before := x.Last()
		x.Publish(i)
		require.Equal(t, max(before, i), x.Last())
	}
}

func TestAppendThenParse(t *testing.T) {
	for _, i := range []uint64{index.Created, 2, 1 << 40, math.MaxUint64 - 1} {
		got, err := index.Parse(index.Append(nil, i))
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
}

func TestParseRefusesWhatIsNoIndex(t *testing.T) {
	for name, v := range map[string][]byte{"missing": nil, "short": {1}, "long": make([]byte, 9), "none": make([]byte, 8)} {
		_, err := index.Parse(v)
		require.ErrorIs(t, err, index.ErrMalformed, name)
	}
}

// TestErrorTexts reads the errors as a person does: each names the wrong value.
func TestErrorTexts(t *testing.T) {
	_, regression := index.At(100, 7)
	_, exhausted := index.At(7, math.MaxUint64)
	_, none := index.Next(math.MaxUint64 - 1)
	_, short := index.Parse([]byte{1})
	_, zero := index.Parse(make([]byte, 8))
	require.EqualError(t, regression, "index 7: not above 100")
	require.EqualError(t, exhausted, "index 18446744073709551615: no index is left")
	require.EqualError(t, none, "after index 18446744073709551614: no index is left")
	require.EqualError(t, short, "malformed index: 1 bytes, want 8")
	require.EqualError(t, zero, "malformed index: 0")
}
