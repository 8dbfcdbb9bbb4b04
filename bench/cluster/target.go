package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
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

// targetSize is the least number of allocations that the targets of writes are judged at.
const targetSize = 100_000

// rates are the targets for our rate as a multiple of a peer's.
var rates = []struct {
	work, our, peer string
	want            float64
}{
	{writeName(256), ours, memDB, 3},
	{writeName(256), ours, etcd, 2},
	{writeName(256), ours + followers, etcd, 2},
}

// installTargets are the targets for the time after a snapshot's last byte.
var installTargets = []struct {
	n    int
	most time.Duration
}{{300_000, time.Second}, {2_000_000, 5 * time.Second}}

// judge compares the results with the targets.
func judge(results []result) (all []target) {
	for _, r := range rates {
		t := target{
			What: fmt.Sprintf("%s, %s beside %s", r.work, r.our, r.peer),
			Want: fmt.Sprintf("at least %gx its rate", r.want), Verdict: notRun,
		}
		a, b := find(results, r.work, r.our), find(results, r.work, r.peer)
		if a != nil && b != nil {
			x := a.Rate / b.Rate
			t.Figure = fmt.Sprintf("%.2fx at %d allocations", x, a.N)
			t.Verdict = verdict(x >= r.want, a.N, targetSize)
		}
		all = append(all, t)
	}
	for _, i := range installTargets {
		t := target{What: installName(i.n), Want: fmt.Sprintf("at most %v", i.most), Verdict: notRun}
		if r := find(results, installName(i.n), ours); r != nil {
			t.Figure, t.Verdict = duration(r.Took), verdict(r.Took <= i.most, r.N, i.n)
		}
		all = append(all, t)
	}
	return all
}

// find returns the peer's result of this work, or nil.
func find(results []result, work, peer string) *result {
	for i := range results {
		if r := &results[i]; r.Work == work && r.Peer == peer {
			return r
		}
	}
	return nil
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

// printTargets prints the targets as a table.
func printTargets(w io.Writer, targets []target) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\twanted\tthis run\tverdict")
	for _, row := range targets {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", row.What, row.Want, row.Figure, row.Verdict)
	}
	return t.Flush()
}
