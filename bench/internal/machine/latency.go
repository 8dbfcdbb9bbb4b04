package machine

import (
	"math/rand/v2"
	"time"
)

// ReadLatency measures a read at a random place in memory of the given size. The
// address of each read depends on the result of the read before, so reads do not
// overlap. A lookup that misses the caches takes at least this time.
func ReadLatency(bytes int) time.Duration {
	const line, reads = 64 / 8, 1 << 20
	memory := make([]uint64, bytes/8)
	lines := uint64(len(memory) / line)
	for i := range lines {
		memory[i*line] = rand.Uint64()
	}
	at := uint64(0)
	began := time.Now()
	for range reads {
		at = (at*6364136223846793005 + memory[at%lines*line]) >> 8
	}
	took := time.Since(began)
	if at == 0 { // use the result, so that the compiler keeps the reads
		memory[0] = 1
	}
	return took / reads
}
