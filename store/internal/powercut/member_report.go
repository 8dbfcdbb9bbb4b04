package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// perNode is the number of images made of one run of a workload of a node.
const perNode = 4000

// nodeCounts are the results of power cuts of whole nodes.
type nodeCounts struct {
	Alone, Installs           *counts // of nodes that vote alone, and of nodes that take snapshots
	AloneRuns, InstallRuns    int
	AloneSeconds, InstallTook float64             // for their images
	Sweep                     *memberSweepCounts  `json:",omitempty"`
	InstallSweep              *installSweepCounts `json:",omitempty"`
	SweepTook                 float64             `json:",omitempty"` // seconds of both
}

// cutNodes cuts the power of nodes: two images in three of those that vote alone.
func (r *report) cutNodes(ctx context.Context, c config, d *disk, progress io.Writer) error {
	n := &nodeCounts{Alone: new(counts), Installs: new(counts)}
	r.Node = n
	for n.Alone.Images+n.Installs.Images < c.node {
		if err := ctx.Err(); err != nil {
			return err
		}
		run := n.cutAlone
		if n.Installs.Images < n.Alone.Images/2 {
			run = n.cutInstall
		}
		if err := run(c, d); err != nil {
			return err
		}
		fmt.Fprintf(progress, "%d images of nodes, %.0f a second\n", n.Alone.Images+n.Installs.Images,
			float64(n.Alone.Images+n.Installs.Images)/(n.AloneSeconds+n.InstallTook))
	}
	if !c.sweep {
		return nil
	}
	began := time.Now()
	var err error
	n.Sweep, err = (&memberSweeper{seed: c.seed, budget: sweepImages, stride: 1, cuts: 16}).sweep(d)
	if err == nil {
		n.InstallSweep, err = sweepInstalls(d, c.seed, 1)
	}
	n.SweepTook = time.Since(began).Seconds()
	return err
}

// cutAlone runs one more workload of a node that votes alone, and cuts its power.
func (n *nodeCounts) cutAlone(c config, d *disk) error {
	seed := c.seed<<16 + uint64(n.AloneRuns)
	rec, err := performMember(d, memberWorkloads[n.AloneRuns%len(memberWorkloads)], seed)
	if err != nil {
		return err
	}
	began := time.Now()
	t, err := memberCutter(min(perNode, c.node), seed).cut(rec)
	if err == nil {
		err = t.fault()
	}
	if err != nil {
		return fmt.Errorf("node, workload %d, seed %d: %w", n.AloneRuns%len(memberWorkloads), seed, err)
	}
	n.AloneSeconds += time.Since(began).Seconds()
	n.AloneRuns++
	n.Alone.add(t)
	return nil
}

// cutInstall runs one more workload of a node that takes snapshots, and cuts its power.
func (n *nodeCounts) cutInstall(c config, d *disk) error {
	seed := c.seed<<16 + uint64(n.InstallRuns)
	rec, err := performInstall(d, installWorkloads[n.InstallRuns%len(installWorkloads)], seed)
	if err != nil {
		return err
	}
	began := time.Now()
	t, err := rec.cut(cutter{budget: min(perNode, c.node), seed: seed, maxBad: 1})
	if err == nil {
		err = t.fault()
	}
	if err = errors.Join(err, os.RemoveAll(rec.leader)); err != nil {
		return fmt.Errorf("follower, workload %d, seed %d: %w", n.InstallRuns%len(installWorkloads), seed, err)
	}
	n.InstallTook += time.Since(began).Seconds()
	n.InstallRuns++
	n.Installs.add(t)
	return nil
}

// write writes the results as text.
func (n *nodeCounts) write(w io.Writer) {
	for _, part := range []struct {
		name    string
		t       *counts
		runs    int
		seconds float64
	}{{"nodes that vote alone", n.Alone, n.AloneRuns, n.AloneSeconds}, {"nodes that take snapshots", n.Installs, n.InstallRuns, n.InstallTook}} {
		fmt.Fprintf(w, "power cuts of %s: %d images of %d workloads, at %d moments, %.0f a second\n",
			part.name, part.t.Images, part.runs, part.t.Points, float64(part.t.Images)/part.seconds)
		part.t.opened(w)
		part.t.fates(w)
	}
	if s := n.Sweep; s != nil {
		fmt.Fprintf(w, "fail at step n of a node: %d runs of %d steps in %.0f s; %d halted, %d did not open, in %d nobody had to know\n",
			s.Runs, s.Steps, n.SweepTook, s.Halted, s.Unopened, s.Silent)
		i := n.InstallSweep
		fmt.Fprintf(w, "  of a node that takes snapshots: %d runs of %d steps; %d halted, %d did not open, in %d all arrived\n",
			i.Runs, i.Steps, i.Halted, i.Unopened, i.Arrived)
		fmt.Fprintf(w, "  power cuts after recovery: %d images, bad: %d\n", s.Images.Images, s.Images.Bad)
	}
}
