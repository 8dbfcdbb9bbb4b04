package report

import (
	"math/bits"
	"time"
)

// There are steps buckets between a duration and its double, so a bucket is at
// most 1.6 % wide.
const (
	stepBits = 6
	steps    = 1 << stepBits
)

// A Histogram counts durations in buckets. The zero value is empty and ready to
// use. It is not safe for concurrent use.
type Histogram struct {
	counts   [(64 - stepBits) * steps]uint64
	n        uint64
	min, max time.Duration
}

// Record counts d.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	if h.counts[bucket(d)]++; h.n == 0 || d < h.min {
		h.min = d
	}
	h.n++
	h.max = max(h.max, d)
}

// bucket returns the number of d's bucket: d itself below steps, and the first
// bits of d above.
func bucket(d time.Duration) int {
	shift := max(0, bits.Len64(uint64(d))-stepBits-1)
	return shift<<stepBits + int(d>>shift)
}

// upper returns the largest duration that bucket b counts.
func upper(b int) time.Duration {
	shift := max(0, b>>stepBits-1)
	return time.Duration(b-shift<<stepBits+1)<<shift - 1
}

// Merged returns a histogram of the durations that all of the histograms counted.
func Merged(all []Histogram) *Histogram {
	merged := new(Histogram)
	for i := range all {
		merged.Merge(&all[i])
	}
	return merged
}

// Merge adds the durations that the other histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.n > 0 && (h.n == 0 || other.min < h.min) {
		h.min = other.min
	}
	for b, count := range other.counts {
		h.counts[b] += count
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// Len returns the number of durations counted.
func (h *Histogram) Len() int { return int(h.n) }

// Max returns the longest duration counted, or 0.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that a share q of the durations counted do not
// exceed, with an error below 1 %, or 0 if the histogram is empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.n)), uint64(0)
	for b, count := range h.counts {
		if seen += count; seen > rank || seen == h.n && seen > 0 {
			middle := upper(b) - (upper(b)-upper(b-1))/2
			return min(max(middle, h.min), h.max)
		}
	}
	return 0
}
