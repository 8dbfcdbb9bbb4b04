package plan

// An arena lends memory for values until the group is committed.
type arena struct {
	block []byte
}

const arenaBlock = 1 << 20

// alloc returns an empty slice with room for n bytes.
func (a *arena) alloc(n int) []byte {
	if n > arenaBlock/4 {
		return make([]byte, 0, n)
	}
	if n > cap(a.block)-len(a.block) {
		a.block = make([]byte, 0, arenaBlock)
	}
	at := len(a.block)
	a.block = a.block[:at+n]
	return a.block[at : at : at+n]
}

// reset reuses the current block; earlier ones are garbage.
func (a *arena) reset() { a.block = a.block[:0] }
