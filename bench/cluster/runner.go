package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"allocstore/bench/internal/program"
)

// systems are the names of the systems, ours first.
var systems = []string{ours, memDB, etcd}

// A runner has the workers take turns, and collects the results.
type runner struct {
	ctx      context.Context
	cfg      *config
	progress io.Writer
	workers  []*worker
	results  []result
	notes    []string
}

// start starts a worker for each system that the flags ask for.
func (r *runner) start(dir string, args []string) error {
	for _, name := range systems {
		w, err := startWorker(r.ctx, name, filepath.Join(dir, name), args, r.progress)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, w)
	}
	return nil
}

// end ends the workers.
func (r *runner) end() error {
	var errs []error
	for _, w := range r.workers {
		errs = append(errs, w.end())
	}
	return errors.Join(errs...)
}

// all does every piece of work. The clusters of the first ones are the same.
func (r *runner) all() error {
	err := r.onCluster()
	if err == nil {
		err = r.onOwn(restartWork, r.cfg.restart)
	}
	if err == nil {
		err = r.onOwn(installWork, r.cfg.install)
	}
	r.group()
	return err
}

// A turn is one measurement of a system.
type turn struct {
	peer string // the system, and where its clients are
	request
}

// system returns the system of a turn.
func (t *turn) system() string {
	name, _, _ := strings.Cut(t.peer, ",")
	return name
}

// A piece is work that systems do in turn.
type piece struct {
	work   string
	rounds int
	warm   bool // a shorter first round warms up
	turns  []turn
}

// wanted returns the pieces and the turns that the flags ask for.
func (r *runner) wanted(all []piece) (wanted []piece) {
	for _, p := range all {
		var turns []turn
		for _, t := range p.turns {
			if r.cfg.only.MatchString(p.work + "/" + t.peer) {
				turns = append(turns, t)
			}
		}
		if p.turns = turns; len(turns) > 0 {
			wanted = append(wanted, p)
		}
	}
	return wanted
}

// pieces returns the pieces of work on clusters of three nodes with -n allocations.
func (r *runner) pieces() []piece {
	all := append(writePieces(r.cfg), readPieces(r.cfg)...)
	return append(append(all, failoverPiece(r.cfg)), awayPieces()...)
}

// onCluster does the work on the clusters, and looks for the acknowledged updates after each piece.
func (r *runner) onCluster() error {
	all := r.wanted(r.pieces())
	asked := r.workersOf(all)
	if err := r.open(asked); err != nil {
		return err
	}
	if r.cfg.profile != "" {
		if err := r.each(asked, profileRequest); err != nil {
			return err
		}
	}
	for i := range all {
		if err := r.piece(&all[i]); err != nil {
			return err
		}
		if err := r.each(r.workersOf(all[i:i+1]), verifyRequest); err != nil {
			return err
		}
	}
	return r.each(asked, closeRequest)
}

// open opens the clusters of the workers, one after the other, or side by side at the small size.
func (r *runner) open(workers []*worker) error {
	if r.cfg.quick {
		return r.each(workers, openRequest)
	}
	for i, w := range workers {
		if err := r.each(workers[i:i+1], openRequest); err != nil {
			return err
		}
		r.log("%s has %d allocations", w.name, r.cfg.n)
	}
	return nil
}

// workersOf returns the workers that the pieces need.
func (r *runner) workersOf(pieces []piece) (all []*worker) {
	needed := make(map[string]bool)
	for _, p := range pieces {
		for i := range p.turns {
			needed[p.turns[i].system()] = true
		}
	}
	for _, w := range r.workers {
		if needed[w.name] {
			all = append(all, w)
		}
	}
	return all
}

// each asks workers for the same, side by side.
func (r *runner) each(workers []*worker, kind string) error {
	return program.Parallel(len(workers), func(i int) error {
		_, err := workers[i].call(&request{Kind: kind})
		return errors.Join(err, r.ctx.Err())
	})
}

// piece measures in turn, in rotating order, and keeps the medians.
func (r *runner) piece(p *piece) error {
	samples := make([][]sample, len(p.turns))
	if r.cfg.quick && !p.warm {
		return r.together(p)
	}
	first := 1
	if p.warm {
		first = 0
	}
	for round := first; round <= p.rounds; round++ {
		for i := range p.turns {
			at := (i + round) % len(p.turns)
			t := p.turns[at]
			if round == 0 {
				t.Length /= 4
			}
			a, err := r.worker(t.system()).call(&t.request)
			if err = errors.Join(err, r.ctx.Err()); err != nil {
				return fmt.Errorf("%s/%s: %w", p.work, t.peer, err)
			}
			r.notes = append(r.notes, a.Notes...)
			if s := a.Samples[t.Kind]; round > 0 {
				samples[at] = append(samples[at], s...)
				r.log("%s/%s: %v", p.work, t.peer, s[0])
			}
		}
	}
	for i, t := range p.turns {
		r.keep(p.work, t.peer, r.cfg.n, samples[i])
	}
	return nil
}

// together has the systems take one turn each at the same time. The small size saves time so.
func (r *runner) together(p *piece) error {
	samples := make([][]sample, len(p.turns))
	err := program.Parallel(len(p.turns), func(i int) error {
		t := &p.turns[i]
		a, err := r.worker(t.system()).call(&t.request)
		if err == nil {
			samples[i] = a.Samples[t.Kind]
		}
		return err
	})
	if err = errors.Join(err, r.ctx.Err()); err != nil {
		return fmt.Errorf("%s: %w", p.work, err)
	}
	for i, t := range p.turns {
		r.keep(p.work, t.peer, r.cfg.n, samples[i])
	}
	return nil
}

// onOwn does work on clusters that are opened for it, one system after the other, since some are large.
func (r *runner) onOwn(kind string, sizes []int) error {
	side := 1
	if r.cfg.quick {
		side = len(r.workers)
	}
	for _, n := range sizes {
		work := fmt.Sprintf("%s/%d", kind, n)
		answers := make([]*answer, len(r.workers))
		err := program.Parallel(side, func(g int) (err error) {
			for i := g; i < len(r.workers) && err == nil; i += side {
				if w := r.workers[i]; r.cfg.only.MatchString(work + "/" + w.name) {
					answers[i], err = w.call(&request{Kind: kind, N: n})
				}
			}
			return err
		})
		if err = errors.Join(err, r.ctx.Err()); err != nil {
			return fmt.Errorf("%s: %w", work, err)
		}
		for i, a := range answers {
			if a != nil {
				r.keepParts(work, r.workers[i].name, n, a)
			}
		}
	}
	return nil
}

// keepParts keeps the parts of an answer as results.
func (r *runner) keepParts(work, peer string, n int, a *answer) {
	for _, note := range a.Notes {
		r.notes = append(r.notes, work+": "+note)
	}
	for _, part := range slices.Sorted(maps.Keys(a.Samples)) {
		r.keep(work+", "+part, peer, n, a.Samples[part])
		r.log("%s, %s/%s: %v", work, part, peer, medians(a.Samples[part]))
	}
}

func (r *runner) worker(name string) *worker {
	for _, w := range r.workers {
		if w.name == name {
			return w
		}
	}
	return nil
}

// log prints a line about the progress.
func (r *runner) log(format string, args ...any) {
	fmt.Fprintf(r.progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// keep adds the medians of the samples to the results.
func (r *runner) keep(work, peer string, n int, samples []sample) {
	r.results = append(r.results, result{Work: work, Peer: peer, N: n, sample: medians(samples), Samples: samples})
}

// group sorts the results by work, in the order in which the work was first done.
func (r *runner) group() {
	var all []result
	done := make(map[string]bool)
	for _, first := range r.results {
		if done[first.Work] {
			continue
		}
		done[first.Work] = true
		for _, other := range r.results {
			if other.Work == first.Work {
				all = append(all, other)
			}
		}
	}
	r.results = all
}
