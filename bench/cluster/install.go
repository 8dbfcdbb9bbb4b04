package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"allocstore/bench/internal/fleet"
)

// installName is the name of the part that has a target.
func installName(n int) string { return fmt.Sprintf("%s/%d, %s", installWork, n, afterLastByte) }

// Parts of the work.
const (
	afterLastByte = "after the last byte"
	allOfIt       = "from joining on"
)

// install fills a cluster of one node, cuts its log, and adds a node. It measures how soon that shows the snapshot.
func (b *bench) install(n int, a *answer) (err error) {
	if b.name == etcd {
		return nil
	}
	if b.name == memDB && n > aloneSize {
		a.Notes = append(a.Notes, memDB+" is left out, since the allocations of two nodes do not fit into the memory")
		return nil
	}
	f, err := fleet.New(b.cfg.Sample, n, b.cfg.Seed)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "install")
	opened, err := openSystem(b.name, settings{dir: dir, nodes: 1, resident: memoryBound, watched: true})
	if err != nil {
		return err
	}
	s := opened.(installer)
	defer func() { err = errors.Join(err, s.close(), os.RemoveAll(dir)) }()
	if err := b.fillWhole(s, f, 1); err != nil {
		return err
	}
	began := time.Now()
	node, err := s.add(b.ctx)
	if err != nil {
		return err
	}
	arrived := s.arrivalsOf(node)
	if err := await("the snapshot", arrived.installed); err != nil {
		return err
	}
	sending, after, bytes, err := arrived.arrival()
	if err != nil {
		return err
	}
	if err := caughtUp(s, node+1); err != nil {
		return err
	}
	a.Samples[afterLastByte] = []sample{{Took: after}}
	a.Samples[allOfIt] = []sample{{Took: time.Since(began)}}
	a.Notes = append(a.Notes, fmt.Sprintf("%s received %.0f MB in %s", b.name, float64(bytes)/1e6, duration(sending)))
	return b.verifyInstalled(s, f, node)
}

// verifyInstalled compares the installed node with the leader, and each of its allocations with the data.
func (b *bench) verifyInstalled(s system, f *fleet.Fleet, node int) error {
	want, err := s.digest(b.ctx, s.leader())
	if err != nil {
		return err
	}
	got, err := s.digest(b.ctx, node)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the installed node has digest %x, the leader %x", got, want)
	}
	for i := range f.Len() {
		if _, err := s.local(node, f.ID(i)); err != nil {
			return fmt.Errorf("allocation %d: %w", i, err)
		}
	}
	return nil
}
