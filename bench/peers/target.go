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
	smallSize  = 300_000
	lookupSize = 1_000_000
	updateSize = 300_000
	parkSize   = 1_000_000
	openSize   = 2_000_000
)

// figures are the results that targets are compared with.
type figures []result

// rates are the targets for our rate as a multiple of a peer's, at a size of at least n.
var rates = []struct {
	what, work, peer string
	want             float64
	n                int
}{
	{"Get, resident, 300,000", "lookup", "go-memdb", 8, smallSize},
	{"Get, resident, 1,000,000", "lookup", "go-memdb", 8, lookupSize},
	{"Get, resident, 300,000", "lookup", "xsync", 0.8, smallSize},
	{"Get, resident, 1,000,000", "lookup", "xsync", 0.8, lookupSize},
	{"GetMany of 1,000 random IDs", "getmany", eachGet, 2.5, lookupSize},
	{"list of a node, in a snapshot", "list/node", "go-memdb", 3, smallSize},
	{"list of a job", "list/job", "go-memdb", 3, smallSize},
	{"list of all", "list/all", "go-memdb", 2, smallSize},
	{"list of an ID prefix of 4", "list/prefix", "go-memdb", 2, smallSize},
	{"Get, not resident", "file", "bbolt Get, decode", 1, 0},
	{"durable client updates, 1 writer", "update/writers=1", "Pebble", 1, updateSize},
	{"durable client updates, 4 writers", "update/writers=4", "Pebble", 1, updateSize},
	{"durable client updates, 16 writers", "update/writers=16", "Pebble", 1, updateSize},
	{"durable client updates, 64 writers", "update/writers=64", "Pebble", 1, updateSize},
	{"durable client updates, 256 writers", "update/writers=256", "Pebble", 1.5, updateSize},
	{"durable client updates, 4,096 writers", "update/writers=4096", "Pebble", 1.5, updateSize},
	{"durable task events, 1 writer", "event/writers=1", "Pebble", 1, updateSize},
	{"durable task events, 16 writers", "event/writers=16", "Pebble", 1, updateSize},
	{"durable task events, 256 writers", "event/writers=256", "Pebble", 1.2, updateSize},
	{"durable placement, batches of 1,000", "place", pebbleListed, 1, 0},
	{"durable placement, batches of 1,000", "place", "Pebble", 0.75, 0},
}

// judge compares the results with the targets.
func judge(f figures) (all []target) {
	for _, r := range rates {
		a, b := f.find(ours, r.work, r.n), f.find(r.peer, r.work, r.n)
		t := target{What: r.what + ", beside " + r.peer, Want: fmt.Sprintf("at least %gx its rate", r.want)}
		all = append(all, ratio(t, a, b, r.want, r.n))
	}
	return append(all,
		f.getAllocations(smallSize),
		f.getAllocations(lookupSize),
		f.bytes("heap per resident allocation", "memory/read once", 1600, 0),
		f.bytes("heap per allocation with ten events", "memory/ten events", 2400, 0),
		f.bytes("blocked reader, one on each allocation", "park/bytes each", 3150, parkSize),
		f.spurious(),
		f.openTime(),
		f.fileSize())
}

// find returns the peer's result of this work, if possible at size n: its own, or a
// point of a curve over sizes or writers.
func (f figures) find(peer, work string, n int) (best *result) {
	curve := fmt.Sprintf("curve/%s/n=%d", work, n)
	for i := range f {
		r := &f[i]
		switch {
		case r.Peer != peer:
		case r.Work == work && r.N == n, r.Work == curve:
			return r
		case r.Work == work, r.Work == "curve/"+work:
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

// ratio judges a's rate as a multiple of b's, if both are of the same size.
func ratio(t target, a, b *result, want float64, atLeast int) target {
	t.Verdict = notRun
	if a == nil || b == nil || b.Rate == 0 || a.N != b.N {
		return t
	}
	x := a.Rate / b.Rate
	t.Figure = fmt.Sprintf("%.2fx at %d allocations", x, a.N)
	t.Verdict = verdict(x >= want, a.N, atLeast)
	return t
}

func (f figures) getAllocations(n int) target {
	t := target{What: fmt.Sprintf("Get, resident, %d, heap allocations", n), Want: "0", Verdict: notRun}
	if r := f.find(ours, "lookup", n); r != nil {
		t.Figure = fmt.Sprintf("%.3f at %d allocations", *r.Allocs, r.N)
		t.Verdict = verdict(*r.Allocs < 0.01, r.N, n)
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
	for i := range f {
		if r := &f[i]; r.Peer == ours && r.Count != nil {
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

func (f figures) openTime() target {
	t := target{What: "Open, 2,000,000 allocations as placed, warm page cache", Want: "at most 1.5 s", Verdict: notRun}
	if r := f.find(ours, "open", openSize); r != nil {
		t.Figure = fmt.Sprintf("%s at %d allocations", duration(r.P50), r.N)
		t.Verdict = verdict(r.P50.Seconds() <= 1.5, r.N, openSize)
	}
	return t
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
