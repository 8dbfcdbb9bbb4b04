package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"allocstore/schema"
)

// A listKind says by which of their fields the allocations of a list belong together.
type listKind string

const (
	nodeList   listKind = "node"   // about 60 allocations if there are 300,000
	jobList    listKind = "job"    // 1,000 allocations
	allList    listKind = "all"    // every allocation
	prefixList listKind = "prefix" // a few allocations whose IDs share the first 4 hex digits
)

var listKinds = []listKind{nodeList, jobList, allList, prefixList}

// prefixLen is the number of hex digits of a prefix.
const prefixLen = 4

// lister is a store that opens views of its lists.
type lister interface {
	view() (view, error)
}

// view reads lists as of one moment. Every read is in the same transaction or snapshot.
type view interface {
	// list passes each allocation of the list to t.
	list(kind listKind, key string, t *tally) error

	close() error
}

// tally counts allocations and reads a field of each. Without that, a list would leave out
// the time that the allocations' memory takes to arrive.
type tally struct {
	n, sum int
}

func (t *tally) add(a *schema.Allocation) {
	t.n++
	t.sum += len(a.ClientStatus)
}

// statusLen is the share of each allocation of the data in a tally's sum.
const statusLen = len(schema.ClientStatusRunning)

// lists measures the lists of each kind in a snapshot, by one goroutine.
func (b *bench) lists() error {
	peers, end, err := b.listers()
	if err != nil {
		return err
	}
	if len(peers) > 0 {
		expected := b.data.lists()
		for _, kind := range listKinds {
			if err := b.listsOf(kind, expected[kind], peers); err != nil {
				return errors.Join(err, end())
			}
		}
	}
	return end()
}

// listsOf measures the lists of one kind.
func (b *bench) listsOf(kind listKind, expected lengths, peers []namedLister) error {
	work := "list/" + string(kind)
	keys := slices.Sorted(maps.Keys(expected))
	var contenders []contender
	for _, p := range peers {
		if !b.wants(work, p.name) {
			continue
		}
		r := &listReader{kind: kind, keys: keys, expected: expected, rng: rand.New(rand.NewPCG(seed, 2))}
		contenders = append(contenders, contender{p.name, r.on(p.lister)})
	}
	return b.rounds(work, contenders)
}

type namedLister struct {
	name string
	lister
}

// listers returns the filled stores that some list is wanted of, and a function that
// closes them.
func (b *bench) listers() (peers []namedLister, end func() error, err error) {
	end = func() error { return nil }
	wanted := func(peer string) bool {
		return slices.ContainsFunc(listKinds, func(k listKind) bool { return b.wants("list/"+string(k), peer) })
	}
	if wanted(ours) {
		o, err := b.resident()
		if err != nil {
			return nil, nil, err
		}
		peers, end = append(peers, namedLister{ours, o}), o.close
	}
	for _, p := range []struct {
		name string
		open func() (listedRows, error)
	}{
		{"go-memdb", func() (listedRows, error) { return newMemdb() }},
		{"statedb", func() (listedRows, error) { return newStatedb(statedbByNode, statedbByJob, statedbByEval) }},
	} {
		if !wanted(p.name) {
			continue
		}
		store, err := p.open()
		if err == nil {
			err = b.data.eachCopy(store.insert)
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("list/%s: %w", p.name, err), end())
		}
		peers = append(peers, namedLister{p.name, store})
	}
	return peers, end, nil
}

// listedRows is a peer in memory that has lists.
type listedRows interface {
	inMemory
	lister
}

// lengths are the numbers of allocations in the lists of one kind, by the list's key.
type lengths map[string]int

// lists returns the lengths of all lists. The keys share no memory with the data.
func (d *data) lists() map[listKind]lengths {
	all := map[listKind]lengths{allList: {"": d.n}}
	for _, kind := range []listKind{nodeList, jobList, prefixList} {
		all[kind] = make(lengths)
	}
	for k := range d.jobs() {
		for _, a := range d.batch(k) {
			for kind, key := range map[listKind]string{nodeList: a.NodeID, jobList: a.JobID, prefixList: a.ID[:prefixLen]} {
				of := all[kind]
				if of[key] == 0 {
					key = strings.Clone(key)
				}
				of[key]++
			}
		}
	}
	return all
}

// listReader reads random lists of one kind from a view.
type listReader struct {
	kind     listKind
	keys     []string
	expected lengths
	rng      *rand.Rand
	view     view

	picked []string
	got    []tally // of each picked list
}

// on returns a function that measures the reader on views of the store.
func (r *listReader) on(store lister) func(time.Duration) (sample, error) {
	return func(d time.Duration) (s sample, err error) {
		if r.view, err = store.view(); err != nil {
			return s, err
		}
		s, err = inChunks(r, d)
		return s, errors.Join(err, r.view.close())
	}
}

// pick picks random lists until they have enough allocations for a chunk.
func (r *listReader) pick() (allocations int) {
	r.picked, r.got = r.picked[:0], r.got[:0]
	for allocations < perChunk {
		key := r.keys[r.rng.IntN(len(r.keys))]
		r.picked, r.got = append(r.picked, key), append(r.got, tally{})
		allocations += r.expected[key]
	}
	return allocations
}

func (r *listReader) read() error {
	for i, key := range r.picked {
		if err := r.view.list(r.kind, key, &r.got[i]); err != nil {
			return err
		}
	}
	return nil
}

// check compares the tallies with the lengths of the lists.
func (r *listReader) check() error {
	for i, key := range r.picked {
		if want := r.expected[key]; r.got[i] != (tally{want, want * statusLen}) {
			return fmt.Errorf("list of %s %q: %d allocations with a sum of %d, want %d allocations",
				r.kind, key, r.got[i].n, r.got[i].sum, want)
		}
	}
	return nil
}
