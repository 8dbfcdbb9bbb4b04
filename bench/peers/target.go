package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// target is a target of the design with its result in this run.
type target struct {
	What    string
	Want    string
	Figure  string // empty if the work was not done
	Verdict string // met, not met, or not run: not done, or at a smaller size
}

const (
	met    = "met"
	notMet = "not met"
	notRun = "not run"
)

// The sizes that the design sets for the figures.
const (
	lookupSize = 1_000_000
	updateSize = 300_000
	parkSize   = 1_000_000
	herdSize   = 100_000
	openSize   = 2_000_000
	smallSize  = 10_000
)

// nomadPlacement is the number of allocations per second that Nomad's own in-memory
// store places. This program does not measure it.
const nomadPlacement = 16_600

// figures are the results that targets are compared with.
type figures struct {
	results []result
	herd    int // number of readers in a herd
}

// judge compares the results with the targets.
func judge(f figures) []target {
	return []target{
		f.getAgainst("go-memdb"),
		f.getAgainstMap(),
		f.getAllocations(),
		f.getFromFile(),
		f.updates(),
		f.placement(),
		f.bytes("heap per resident allocation", "memory/read once", 1500, 0),
		f.bytes("heap per allocation with ten events", "memory/ten events", 3000, 0),
		f.bytes("blocked reader, one on each allocation", "park/bytes each", 3150, parkSize),
		f.spurious(),
		f.herdAwake(),
		f.openTime(),
		f.openHeap(),
		f.growth("Get", "curve/lookup"),
		f.growth("update", "curve/update"),
		f.fileSize(),
	}
}

// find returns the peer's result of this work, if possible at size n: its own, or a
// point of a curve.
func (f figures) find(peer, work string, n int) (best *result) {
	curve := fmt.Sprintf("curve/%s/n=%d", work, n)
	for i := range f.results {
		r := &f.results[i]
		switch {
		case r.Peer != peer:
		case r.Work == work && r.N == n, r.Work == curve:
			return r
		case r.Work == work:
			best = r
		}
	}
	return best
}

// verdict judges a figure measured at size n, where the target needs at least atLeast.
func verdict(good bool, n, atLeast int) string {
	switch {
	case n < atLeast:
		return notRun
	case good:
		return met
	}
	return notMet
}

// ratio judges a's figure as a multiple of b's.
func ratio(t target, a, b *result, good func(float64) bool, atLeast int) target {
	t.Verdict = notRun
	if a == nil || b == nil || b.figure() == 0 {
		return t
	}
	x := a.figure() / b.figure()
	t.Figure = fmt.Sprintf("%.2fx at %d allocations", x, a.N)
	t.Verdict = verdict(good(x), a.N, atLeast)
	return t
}

func (f figures) getAgainst(peer string) target {
	t := target{What: "Get, resident, beside " + peer, Want: "at least 10x its rate"}
	a, b := f.find(ours, "lookup", lookupSize), f.find(peer, "lookup", lookupSize)
	return ratio(t, a, b, func(x float64) bool { return x >= 10 }, lookupSize)
}

// getAgainstMap compares with the faster of the two bare maps.
func (f figures) getAgainstMap() target {
	t := target{What: "Get, resident, beside the bare concurrent map", Want: "at most 1.5x its time"}
	a, b := f.find(ours, "lookup", lookupSize), f.find("sync.Map", "lookup", lookupSize)
	if other := f.find("sharded map", "lookup", lookupSize); other != nil && (b == nil || other.Rate > b.Rate) {
		b = other
	}
	return ratio(t, b, a, func(x float64) bool { return x <= 1.5 }, lookupSize)
}

func (f figures) getAllocations() target {
	t := target{What: "Get, resident, heap allocations", Want: "0", Verdict: notRun}
	if r := f.find(ours, "lookup", lookupSize); r != nil {
		t.Figure = fmt.Sprintf("%.3f at %d allocations", *r.Allocs, r.N)
		t.Verdict = verdict(*r.Allocs < 0.01, r.N, lookupSize)
	}
	return t
}

func (f figures) getFromFile() target {
	t := target{What: "Get, not resident, beside the bare bbolt Get of the same bytes", Want: "at most 3x its time"}
	a, b := f.find("bbolt Get", "file", 0), f.find(ours, "file", 0)
	return ratio(t, a, b, func(x float64) bool { return x <= 3 }, 0)
}

func (f figures) updates() target {
	t := target{What: "durable client updates, 256 writers, beside Pebble synced", Want: "at least 1.5x its rate"}
	a, b := f.find(ours, "update/writers=256", updateSize), f.find("Pebble", "update/writers=256", updateSize)
	return ratio(t, a, b, func(x float64) bool { return x >= 1.5 }, updateSize)
}

func (f figures) placement() target {
	t := target{
		What:    fmt.Sprintf("durable placement, batches of %d, beside Nomad's store (%d/s, not in this run)", perJob, nomadPlacement),
		Want:    fmt.Sprintf("at least 5x: %d/s", 5*nomadPlacement),
		Verdict: notRun,
	}
	if r := f.find(ours, "place", 0); r != nil {
		t.Figure = fmt.Sprintf("%.0f/s", r.Rate)
		t.Verdict = verdict(r.Rate >= 5*nomadPlacement, 0, 0)
	}
	return t
}

// bytes judges a size.
func (f figures) bytes(what, work string, most float64, atLeast int) target {
	t := target{What: what, Want: fmt.Sprintf("at most %.0f B", most), Verdict: notRun}
	if r := f.find(ours, work, atLeast); r != nil {
		t.Figure = fmt.Sprintf("%.0f B at %d allocations", r.Bytes, r.N)
		t.Verdict = verdict(r.Bytes <= most, r.N, atLeast)
	}
	return t
}

// spurious sums the spurious wakes over all work with blocked readers.
func (f figures) spurious() target {
	t := target{What: "one write wakes exactly its reader; spurious wakes", Want: "0", Verdict: notRun}
	sum, seen := int64(0), []string(nil)
	for i := range f.results {
		if r := &f.results[i]; r.Peer == ours && r.Count != nil {
			sum += *r.Count
			seen = append(seen, strings.TrimSuffix(r.Work, "/spurious wakes"))
		}
	}
	if seen != nil {
		t.Figure = fmt.Sprintf("%d (%s)", sum, strings.Join(seen, ", "))
		t.Verdict = verdict(sum == 0, 0, 0)
	}
	return t
}

// herdAwake judges the latency from the call of the write. It includes the commit,
// since the store wakes readers before it answers the writer.
func (f figures) herdAwake() target {
	t := target{What: "one ID, 100,000 readers, all awake after the commit", Want: "at most 200 ms", Verdict: notRun}
	call, answer := f.find(ours, "herd/call to last awake", 0), f.find(ours, "herd/answer to last awake", 0)
	if call != nil && answer != nil {
		t.Figure = fmt.Sprintf("%s from the call, %s from the answer, %d readers",
			duration(call.Max), duration(answer.Max), f.herd)
		t.Verdict = verdict(call.Max.Milliseconds() <= 200, f.herd, herdSize)
	}
	return t
}

func (f figures) openTime() target {
	t := target{What: "Open, 2,000,000 allocations, warm page cache", Want: "at most 2 s", Verdict: notRun}
	if r := f.find(ours, "open", openSize); r != nil {
		t.Figure = fmt.Sprintf("%s at %d allocations", duration(r.P50), r.N)
		t.Verdict = verdict(r.P50.Seconds() <= 2, r.N, openSize)
	}
	return t
}

func (f figures) openHeap() target {
	t := target{What: "heap after that Open, before the first read", Want: "at most 700 MB", Verdict: notRun}
	if r := f.find(ours, "heap after open", openSize); r != nil {
		t.Figure = fmt.Sprintf("%.0f MB at %d allocations", r.Bytes/1e6, r.N)
		t.Verdict = verdict(r.Bytes <= 700e6, r.N, openSize)
	}
	return t
}

// growth compares our rates at both ends of a curve.
func (f figures) growth(what, curve string) target {
	t := target{What: what + " rate, 10,000 allocations beside 2,000,000", Want: "at most 2x", Verdict: notRun}
	small, large := f.end(curve, smallSize), f.end(curve, openSize)
	if small != nil && large != nil {
		x := small.Rate / large.Rate
		t.Figure = fmt.Sprintf("%.2fx", x)
		t.Verdict = verdict(x <= 2, 0, 0)
	}
	return t
}

// end returns our point of a curve at n allocations.
func (f figures) end(curve string, n int) *result {
	return f.find(ours, fmt.Sprintf("%s/n=%d", curve, n), n)
}

func (f figures) fileSize() target {
	t := target{What: "file under sustained updates, beside the live bytes", Want: "at most 3x", Verdict: notRun}
	peak, live := f.find(ours, "sustained/peak", 0), f.find(ours, "sustained/live", 0)
	if peak != nil && live != nil {
		x := peak.Bytes / live.Bytes
		t.Figure = fmt.Sprintf("%.2fx at its peak, %d allocations", x, peak.N)
		t.Verdict = verdict(x <= 3, 0, 0)
	}
	return t
}

// printTargets prints the targets as a table.
func printTargets(w io.Writer, targets []target) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\twanted\tthis run\tverdict")
	for _, row := range targets {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", row.What, row.Want, row.Figure, row.Verdict)
	}
	return t.Flush()
}
