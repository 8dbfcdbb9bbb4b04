package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// sectorSize is the unit that a disk writes as a whole or not at all.
const sectorSize = 512

// A fate is the effect of a power cut on a unit.
type fate struct {
	kind fateKind
	cut  int    // of torn: the number of bytes written
	seed uint64 // of scattered and garbage: selects sectors and bytes
}

type fateKind uint8

const (
	undone    fateKind = iota // none of it is written
	done                      // all of it is written
	torn                      // its first bytes are written
	scattered                 // some of its sectors are written
	garbage                   // the sectors that it changes have arbitrary bytes
)

var fateNames = [...]string{"undone", "done", "torn", "scattered", "garbage"}

// apply applies to f the part of u that survives.
func (t fate) apply(f *file, u *unit) {
	if t.kind == undone {
		return
	}
	if t.kind == done || u.Kind != OpWrite {
		u.apply(f, u.Data)
		return
	}
	data := f.read(u.At, len(u.Data))
	r := rand.New(rand.NewPCG(t.seed, 1))
	for at := 0; at < len(data); at += sectorSize {
		end := min(at+sectorSize, len(data))
		was, is := data[at:end], u.Data[at:end]
		switch {
		case t.kind == torn:
			copy(was, is[:max(0, min(t.cut-at, len(is)))])
		case t.kind == scattered && r.IntN(2) == 0:
			copy(was, is)
		case t.kind == garbage && !bytes.Equal(was, is):
			for i := range was {
				was[i] = byte(r.Uint32())
			}
		}
	}
	u.apply(f, data)
}

// metaCuts are the places to tear a meta page: within and between its fields, which end
// at 80.
var metaCuts = []int{1, 8, 16, 20, 24, 31, 32, 40, 48, 56, 63, 64, 65, 71, 72, 76, 79, 80}

// cuts returns the places to tear u.
func (u *unit) cuts() []int {
	if u.Kind != OpWrite {
		return nil
	}
	var all []int
	if u.At < 2*pageSize {
		for _, cut := range metaCuts {
			if cut < len(u.Data) {
				all = append(all, cut)
			}
		}
	}
	for cut := sectorSize; cut < len(u.Data) && len(all) < 40; cut += sectorSize {
		all = append(all, cut)
	}
	return all
}

const (
	// allSubsets is the largest number of units of which every subset is tried.
	allSubsets = 6

	// maxTorn and maxCuts bound the number of images if syncs are missing, so that
	// units pile up.
	maxTorn = 40
	maxCuts = 100
)

// fates returns the possible effects of a power cut, each with one fate for every unit.
func fates(units []*unit, r *rand.Rand) [][]fate {
	all := subsets(len(units), r)
	whole := make([]fate, len(units))
	for i := range whole {
		whole[i].kind = done
	}
	with := func(base []fate, i int, t fate) {
		one := slices.Clone(base)
		one[i] = t
		all = append(all, one)
	}
	for i, u := range units {
		if u.Kind != OpWrite || i < len(units)-maxTorn {
			continue
		}
		before := slices.Concat(whole[:i+1], make([]fate, len(units)-i-1))
		for _, cut := range u.cuts() {
			with(whole, i, fate{kind: torn, cut: cut})
			with(before, i, fate{kind: torn, cut: cut})
		}
		for range 2 {
			with(whole, i, fate{kind: scattered, seed: r.Uint64()})
			with(whole, i, fate{kind: garbage, seed: r.Uint64()})
			with(before, i, fate{kind: garbage, seed: r.Uint64()})
		}
	}
	for range 16 {
		mixed := make([]fate, len(units))
		for i, u := range units {
			mixed[i] = fate{kind: fateKind(r.IntN(len(fateNames))), seed: r.Uint64(), cut: r.IntN(len(u.Data) + 1)}
			mixed[i].cut -= mixed[i].cut % sectorSize
		}
		all = append(all, mixed)
	}
	return all
}

// lastAlone returns two effects on n units: only the last is done, and all but the last
// are. The last is mostly the meta page, and the others the pages that it refers to.
func lastAlone(n int) [][]fate {
	if n == 0 {
		return [][]fate{nil}
	}
	last, rest := make([]fate, n), make([]fate, n)
	for i := range n - 1 {
		rest[i].kind = done
	}
	last[n-1].kind = done
	return [][]fate{last, rest}
}

// subsets returns all subsets of n units. Of many units it returns all beginnings and
// ends, all but one, one alone, and random subsets.
func subsets(n int, r *rand.Rand) [][]fate {
	var all [][]fate
	add := func(in func(i int) bool) {
		one := make([]fate, n)
		for i := range one {
			if in(i) {
				one[i].kind = done
			}
		}
		all = append(all, one)
	}
	if n <= allSubsets {
		for set := range 1 << n {
			add(func(i int) bool { return set>>i&1 != 0 })
		}
		return all
	}
	each := 1 + n/maxCuts
	for k := 0; k <= n; k += each {
		add(func(i int) bool { return i < k })
		add(func(i int) bool { return i >= k })
	}
	for k := 0; k < n; k += each {
		add(func(i int) bool { return i != k })
		add(func(i int) bool { return i == k })
	}
	for range 32 {
		add(func(int) bool { return r.IntN(2) == 0 })
	}
	return all
}
