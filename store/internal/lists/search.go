package lists

import (
	"encoding/binary"

	"allocstore/schema"
)

// search returns the first position whose ID is not below id. of returns the ID of a position, from 0
// to last; the IDs ascend. id is above the lowest of them, and not above the highest.
//
// It begins where id would be if the IDs were spread evenly, as random ones are, and goes on from
// there in steps that double. So it touches one or two cache lines, where a binary search of 256 IDs
// touches five, one after the other. For other IDs it takes up to twice as long as a binary search.
func search(last int, of func(int) *schema.ID, lowest, highest, id *schema.ID) int {
	low, high := 1, last // Invariant: the IDs before low are below id, the one at high is not.
	at := guess(last, lowest, highest, id)
	for step := 1; low < high; step *= 2 {
		if at < low || at >= high {
			at = int(uint(low+high) / 2)
		}
		if of(at).Compare(*id) < 0 {
			low = at + 1
			at = low + step
		} else {
			high = at
			at = high - step
		}
	}
	return low
}

// guess returns the position where id would be if the IDs from the lowest to the highest were spread
// evenly over the positions up to last.
func guess(last int, lowest, highest, id *schema.ID) int {
	low, high, is := leading(lowest), leading(highest), leading(id)
	if is >= high {
		return last
	}
	return int(float64(is-low) / float64(high-low) * float64(last))
}

// leading returns the first eight bytes as a number. IDs sort by it first.
func leading(id *schema.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }
