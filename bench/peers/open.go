package main

import "time"

// open measures Open of our store with a warm page cache. The rate is
// allocations per second; the latencies are those of a whole Open.
func (b *bench) open() error {
	const work = "open"
	if !b.wants(work, ours) {
		return nil
	}
	path, err := b.stores.ourFile()
	if err != nil {
		return err
	}
	return b.rounds(work, []contender{{ours, func(time.Duration) (sample, error) {
		start, before := time.Now(), mallocs()
		o, err := newOurs(path)
		if err != nil {
			return sample{}, err
		}
		elapsed := time.Since(start)
		allocated := mallocs() - before
		n := float64(b.data.n)
		return sample{rate: n / elapsed.Seconds(), allocs: float64(allocated) / n, p50: elapsed, p99: elapsed}, o.close()
	}}})
}
