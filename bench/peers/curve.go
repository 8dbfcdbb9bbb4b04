package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
)

// curveUpdaters is the number of writers for the curves over sizes.
const curveUpdaters = 256

// sizePeers are the peers on the curves over sizes. bbolt is not among them: filling
// it with millions of random IDs takes longer than all other work.
var sizePeers = []string{ours, "go-memdb", "statedb", "sync.Map", "xsync", "Pebble", "Badger"}

// writersCurve measures updates by each number of writers on the curve.
func (b *bench) writersCurve() error {
	if !b.cfg.curves {
		return nil
	}
	return b.updates("curve/update", b.cfg.curveWriters)
}

// sizeCurves measures lookups, Open and updates for each number of allocations on the
// curve. Each number has stores of its own.
func sizeCurves(cfg config) (results []result, notes []string, err error) {
	if !cfg.curves {
		return nil, nil, nil
	}
	notes = []string{"curve/.../n=: bbolt is left out, for filling it by random IDs takes too long"}
	for _, n := range cfg.sizes {
		cfg.n = n
		more, about, err := inBench(cfg, (*bench).atSize)
		if err != nil {
			return nil, nil, fmt.Errorf("%d allocations: %w", n, err)
		}
		results, notes = append(results, more...), append(notes, about...)
		debug.FreeOSMemory()
	}
	return results, notes, nil
}

// atSize measures one point of each curve over sizes.
func (b *bench) atSize() error {
	b.only = func(peer string) bool { return slices.Contains(sizePeers, peer) }
	at := func(work string) string { return fmt.Sprintf("curve/%s/n=%d", work, b.data.n) }
	if err := b.lookup(at("lookup")); err != nil {
		return err
	}
	if err := b.open(at("open"), at("heap after open")); err != nil {
		return err
	}
	return b.updateBy(at("update"), curveUpdaters)
}

// inBench does work in a temporary directory.
func inBench(cfg config, work func(*bench) error) (results []result, notes []string, err error) {
	dir, err := os.MkdirTemp(cfg.dir, "peers-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	b := newBench(cfg, dir)
	err = work(b)
	if e := b.close(); err == nil {
		err = e
	}
	return b.results, b.notes, err
}
