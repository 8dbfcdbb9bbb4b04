package boltfile

// A bitmap is a set of page numbers.
type bitmap []uint64

func newBitmap(n uint64) bitmap { return make(bitmap, (n+63)/64) }

// set adds i, and reports whether it is new.
func (b bitmap) set(i uint64) bool {
	word, bit := &b[i/64], uint64(1)<<(i%64)
	was := *word & bit
	*word |= bit
	return was == 0
}

// has reports whether the set has i.
func (b bitmap) has(i uint64) bool { return i/64 < uint64(len(b)) && b[i/64]&(1<<(i%64)) != 0 }
