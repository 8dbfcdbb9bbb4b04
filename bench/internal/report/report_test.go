package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHistogram compares quantiles with those of the sorted durations.
func TestHistogram(t *testing.T) {
	t.Parallel()
	require.Zero(t, new(Histogram).Quantile(.5))
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	halves := [2]Histogram{}
	for n := range 10_000 {
		d := time.Duration(r.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		halves[n%2].Record(d)
	}
	slices.Sort(all)
	h := &halves[0]
	h.Merge(&halves[1])
	require.Equal(t, len(all), h.Len())
	for _, q := range []float64{0, .5, .9, .99, 1} {
		want := all[min(len(all)-1, int(q*float64(len(all))))]
		require.InEpsilon(t, float64(want)+1, float64(h.Quantile(q))+1, .01, "quantile %v", q)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	last := len(Histogram{}.counts) - 1
	require.Equal(t, last, bucket(math.MaxInt64))
	for b := range last {
		d := upper(b)
		require.Equal(t, b, bucket(d), "upper bound %d", d)
		require.Equal(t, b+1, bucket(d+1), "above %d", d)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.Zero(t, Median[int](nil))
	require.Equal(t, 2, Median([]int{3, 1, 2, 9}))
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := New("scale -allocs 1", dir)
	h := new(Histogram)
	h.Record(time.Second)
	Start("placing").End(r, io.Discard, 1000, h)
	r.Record("rate", 12.345, "/s")
	r.AtMost("memory", 25, "GB", 24)
	r.AtLeast("ratio", 10, "x", 10)
	var out bytes.Buffer
	require.NoError(t, Write(&out, true, filepath.Join(dir, "out"), "scale", r))
	var back Report
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Equal(t, r, &back)
	require.Equal(t, 1000, back.Phase("placing").Operations)
	require.Zero(t, back.Phase("none"))
	saved, err := os.ReadFile(filepath.Join(dir, "out", "scale.json"))
	require.NoError(t, err)
	require.Equal(t, out.Bytes(), saved)
	text, err := os.ReadFile(filepath.Join(dir, "out", "scale.txt"))
	require.NoError(t, err)
	require.Regexp(t, `(?s)scale -allocs 1\n.*placing +1000 .* 1s .*rate +12.3 /s.*memory +25 GB +at most 24 +NOT MET\nratio +10 x +at least 10 +met\n`, string(text))
}
