package report

import (
	"math/bits"
	"time"
)

// steps is how many buckets there are between a duration and its double, so that
// a bucket is 3 % wide.
const (
	stepBits = 5
	steps    = 1 << stepBits
)

// A Histogram counts durations. The zero value is empty and ready. It is not safe
// for concurrent use.
type Histogram struct {
	counts [(64 - stepBits) * steps]uint64
	n      uint64
	most   time.Duration
}

// Record counts d.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.n++
	h.most = max(h.most, d)
}

// bucket returns where d is counted: below steps the duration itself, above it the
// first bits of it.
func bucket(d time.Duration) int {
	shift := max(0, bits.Len64(uint64(d))-stepBits-1)
	return shift<<stepBits + int(d>>shift)
}

// upper returns the largest duration that bucket b counts.
func upper(b int) time.Duration {
	shift := max(0, b>>stepBits-1)
	return time.Duration(b-shift<<stepBits+1)<<shift - 1
}

// Merge returns the durations that all of the histograms counted.
func Merge(all []Histogram) *Histogram {
	merged := new(Histogram)
	for i := range all {
		merged.Merge(&all[i])
	}
	return merged
}

// Merge adds the durations that the other histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	for b, count := range other.counts {
		h.counts[b] += count
	}
	h.n += other.n
	h.most = max(h.most, other.most)
}

// Len returns how many durations were counted.
func (h *Histogram) Len() int { return int(h.n) }

// Quantile returns the duration that a share q of those counted do not exceed, up
// to 3 % too long; 0 if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.n)), uint64(0)
	for b, count := range h.counts {
		if seen += count; seen > rank || seen == h.n && seen > 0 {
			return min(upper(b), h.most)
		}
	}
	return 0
}
