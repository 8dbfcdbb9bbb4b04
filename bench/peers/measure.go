package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"allocstore/bench/internal/program"
	"allocstore/bench/internal/report"
)

// ours is the name of the store that the peers are compared with.
const ours = "allocstore"

// bench is one run of the program.
type bench struct {
	cfg     config
	dir     string
	data    *data
	stores  *stores
	results []result
	notes   []string // remarks for readers of the results
	profile *os.File
	only    func(peer string) bool // nil: every peer
	acked   map[string][]int64     // stamps of acknowledged writes, by rows; see clients

	descriptor float64 // bytes of a goroutine apart from its stack; see park
}

func newBench(cfg config, dir string) *bench {
	d := newData(cfg.n)
	return &bench{cfg: cfg, dir: dir, data: d, stores: newStores(dir, d), acked: make(map[string][]int64)}
}

// note adds a remark for readers of the results.
func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// close ends the profile and closes the stores.
func (b *bench) close() error {
	err := b.stores.close()
	if b.profile != nil {
		pprof.StopCPUProfile()
		err = errors.Join(err, b.profile.Close())
	}
	return err
}

// wants reports whether the flags ask for this work with this peer.
func (b *bench) wants(work, peer string) bool {
	return b.cfg.only.MatchString(work+"/"+peer) && (b.only == nil || b.only(peer))
}

// contender is a peer with a function that takes one measurement.
type contender struct {
	peer string
	once func(d time.Duration) (sample, error)
}

// rounds measures the contenders in turn, in rotating order, and keeps the medians. A
// shorter first round warms up.
func (b *bench) rounds(work string, contenders []contender) error {
	if len(contenders) == 0 {
		return nil
	}
	if err := b.startProfile(); err != nil {
		return err
	}
	samples := make([][]sample, len(contenders))
	for r := range b.cfg.rounds + 1 {
		for i := range contenders {
			at := (i + r) % len(contenders)
			d := b.cfg.each
			if r == 0 {
				d /= 4
			}
			runtime.GC()
			s, err := contenders[at].once(d)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", work, contenders[at].peer, err)
			}
			if r > 0 {
				samples[at] = append(samples[at], s)
			}
		}
	}
	b.keepAll(work, contenders, samples)
	return nil
}

// keepAll keeps the medians of every contender's samples, or of each part of them.
func (b *bench) keepAll(work string, contenders []contender, samples [][]sample) {
	parts := make([][]sample, len(contenders))
	for _, name := range partNames(samples) {
		for i := range contenders {
			parts[i] = partOf(samples[i], name)
		}
		b.keepAll(work+"/"+name, contenders, parts)
	}
	for i, c := range contenders {
		if len(samples[i]) > 0 && samples[i][0].Parts == nil {
			b.keep(work, c.peer, samples[i])
		}
	}
}

// startProfile starts the CPU profile at the first measurement, so that it excludes the
// preparations.
func (b *bench) startProfile() (err error) {
	if b.cfg.profile == "" || b.profile != nil {
		return nil
	}
	if b.profile, err = os.Create(b.cfg.profile); err != nil {
		return err
	}
	return pprof.StartCPUProfile(b.profile)
}

// keep adds the medians of the samples to the results.
func (b *bench) keep(work, peer string, samples []sample) {
	b.keepResult(result{Work: work, Peer: peer, sample: medians(samples), Samples: samples})
}

// keepResult keeps a result. Its N is the number of all allocations, unless it is set.
func (b *bench) keepResult(r result) {
	if r.N == 0 {
		r.N = b.data.n
	}
	b.results = append(b.results, r)
}

// keepCount keeps a count as a result.
func (b *bench) keepCount(work, peer string, count int64) {
	b.keepResult(result{Work: work, Peer: peer, Count: &count})
}

// keepBytes keeps a size as a result.
func (b *bench) keepBytes(work, peer string, bytes float64) {
	b.keepResult(result{Work: work, Peer: peer, Bytes: bytes})
}

// closedLoop runs workers that each repeat op until d has passed, and measures each call.
func closedLoop(workers int, d time.Duration, op func(worker int) error) (sample, error) {
	histograms := make([]report.Histogram, workers)
	before := mallocs()
	start := time.Now()
	err := program.Parallel(workers, func(w int) error {
		return repeat(&histograms[w], start.Add(d), func() error { return op(w) })
	})
	elapsed, allocated := time.Since(start), mallocs()-before
	all := report.Merged(histograms)
	s := latencies(all)
	s.Rate = float64(all.Len()) / elapsed.Seconds()
	s.Allocs = pointer(float64(allocated) / float64(all.Len()))
	return s, err
}

// repeat calls op until end, at least once, and records each duration.
func repeat(h *report.Histogram, end time.Time, op func() error) error {
	for start := time.Now(); ; {
		if err := op(); err != nil {
			return err
		}
		now := time.Now()
		h.Record(now.Sub(start))
		if now.After(end) {
			return nil
		}
		start = now
	}
}

// mallocs returns the number of heap objects allocated so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
