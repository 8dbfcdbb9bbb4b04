package machine

import (
	"math/rand/v2"
	"time"
)

// ReadLatency returns how long a read of so many bytes of memory takes, at a random
// place that only the read before tells: what a lookup that misses the caches takes at
// the least.
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
	if at == 0 { // or the reads are not needed
		memory[0] = 1
	}
	return took / reads
}
