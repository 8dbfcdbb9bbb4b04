package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// perWorkload is the number of images made of one run of a workload.
const perWorkload = 5000

// sweepImages is the number of images made of each run of the sweep.
const sweepImages = 100

// A report has the results of a run. A run that found a violation has no report.
type report struct {
	Command   string
	Date      time.Time
	Revision  string // of the repository; "-dirty" if files differ from it
	Go        string
	CPUs      int
	Workloads int
	Cuts      *counts
	Seconds   float64      // for the images of Cuts
	Sweep     *sweepCounts `json:",omitempty"`
	SweepTook float64      `json:",omitempty"` // seconds
	Chains    *chainCounts `json:",omitempty"`
	Node      *nodeCounts  `json:",omitempty"`
	Ext4      *counts      `json:",omitempty"` // of images of a file system
	Ext4Took  float64      `json:",omitempty"` // seconds
}

// measure makes the report that the flags ask for.
func measure(ctx context.Context, c config, d *disk, progress io.Writer) (*report, error) {
	r := &report{
		Command: c.command, Date: time.Now().UTC().Truncate(time.Second), Revision: revision(),
		Go: runtime.Version(), CPUs: runtime.NumCPU(), Cuts: new(counts),
	}
	for r.Cuts.Images < c.images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.cut(c, d); err != nil {
			return nil, err
		}
		fmt.Fprintf(progress, "%d images, %.0f a second\n", r.Cuts.Images, float64(r.Cuts.Images)/r.Seconds)
	}
	if c.sweep && c.images > 0 {
		began := time.Now()
		var err error
		sw := sweeper{sweepWorkload, cutter{budget: sweepImages, seed: c.seed, maxBad: 1}, false}
		if r.Sweep, err = sw.sweep(d); err != nil {
			return nil, err
		}
		r.SweepTook = time.Since(began).Seconds()
	}
	if err := r.crash(ctx, c, d); err != nil {
		return nil, err
	}
	if c.node > 0 {
		if err := r.cutNodes(ctx, c, d, progress); err != nil {
			return nil, err
		}
	}
	if c.ext4 > 0 {
		return r, r.cutExt4(ctx, c, d)
	}
	return r, nil
}

// crash makes chains.
func (r *report) crash(ctx context.Context, c config, d *disk) error {
	if c.chains > 0 {
		r.Chains = &chainCounts{Images: new(counts)}
	}
	for n := range uint64(c.chains) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := newChainer(c.seed<<16+n).run(d, r.Chains); err != nil {
			return fmt.Errorf("chain, seed %d: %w", c.seed<<16+n, err)
		}
	}
	return nil
}

// perExt4 is the number of images made of one run of the workload in an ext4.
const perExt4 = 500

// cutExt4 cuts the power below an ext4.
func (r *report) cutExt4(ctx context.Context, c config, d *disk) error {
	began := time.Now()
	r.Ext4 = new(counts)
	for seed := c.seed; r.Ext4.Images < c.ext4; seed++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := performOnExt4(d, "barrier=1", seed)
		if err != nil {
			return err
		}
		t, err := rec.cut(cutter{budget: min(perExt4, c.ext4), seed: seed, maxBad: 1})
		if err == nil {
			err = t.fault()
		}
		if err != nil {
			return fmt.Errorf("ext4, seed %d: %w", seed, err)
		}
		r.Ext4.add(t)
	}
	r.Ext4Took = time.Since(began).Seconds()
	return nil
}

// cut runs one more workload and cuts its power.
func (r *report) cut(c config, d *disk) error {
	w := workloads[r.Workloads%len(workloads)]
	seed := c.seed<<16 + uint64(r.Workloads)
	rec, err := perform(d, w, seed)
	if err != nil {
		return err
	}
	began := time.Now()
	t, err := cutter{budget: min(perWorkload, c.images), seed: seed, maxBad: 1}.cut(rec)
	if err == nil {
		err = t.fault()
	}
	if err != nil {
		return fmt.Errorf("workload %q, seed %d: %w", w.name, seed, err)
	}
	r.Seconds += time.Since(began).Seconds()
	r.Workloads++
	r.Cuts.add(t)
	return nil
}

// fault returns an error if there were bad images.
func (t *counts) fault() error {
	if t.Bad == 0 {
		return nil
	}
	return errors.New(t.Example)
}

// String formats the report as text.
func (r *report) String() string {
	var b strings.Builder
	t := r.Cuts
	fmt.Fprintf(&b, "%s\n%s, %s, %s, %d processors\n\n", r.Command, r.Date.Format(time.DateTime), r.Revision, r.Go, r.CPUs)
	if t.Images > 0 {
		r.storeCuts(&b)
	}
	if s := r.Sweep; s != nil {
		fmt.Fprintf(&b, "fail at step n: %d runs of %d steps in %.0f s; in %d nobody had to know\n", s.Runs, s.Steps, r.SweepTook, s.Silent)
		fmt.Fprintf(&b, "  power cuts after recovery: %d images, bad: %d\n", s.Images.Images, s.Images.Bad)
	}
	if c := r.Chains; c != nil {
		fmt.Fprintf(&b, "chains of crashes: %d of %d links each, %d after a kill, %d with a failure; %d images, bad: %d\n",
			c.Chains, linksEach, c.Killed, c.Failed, c.Images.Images, c.Images.Bad)
	}
	if r.Node != nil {
		r.Node.write(&b)
	}
	if t := r.Ext4; t != nil {
		fmt.Fprintf(&b, "power cuts below an ext4: %d images, at %d moments, in %.0f s\n", t.Images, t.Points, r.Ext4Took)
		t.opened(&b)
		fmt.Fprintf(&b, "  bad: %d\n", t.Bad)
	}
	return b.String()
}

// storeCuts writes the results of the power cuts of a store.
func (r *report) storeCuts(b *strings.Builder) {
	t := r.Cuts
	fmt.Fprintf(b, "power cuts: %d images of %d workloads, at %d moments, %.0f a second\n", t.Images, r.Workloads, t.Points, float64(t.Images)/r.Seconds)
	t.opened(b)
	t.fates(b)
}

// fates writes the numbers of images by what happened to a part, and of bad ones.
func (t *counts) fates(w io.Writer) {
	fmt.Fprintf(w, "  with something undone: %d, torn: %d, scattered: %d, garbage: %d\n", t.Fates["undone"], t.Fates["torn"], t.Fates["scattered"], t.Fates["garbage"])
	fmt.Fprintf(w, "  bad: %d\n", t.Bad)
}

// opened writes the numbers of images by the index at which they opened.
func (t *counts) opened(w io.Writer) {
	fmt.Fprintf(w, "  opened at the last acknowledged index: %d, after it: %d, before there was a store: %d\n", t.AtAck, t.Beyond, t.Fresh)
}

// write prints the report, and writes it to files if there is a directory for them.
func (r *report) write(stdout io.Writer, out string) error {
	text := r.String()
	if _, err := io.WriteString(stdout, text); err != nil || out == "" {
		return err
	}
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(out, 0o755),
		os.WriteFile(filepath.Join(out, "powercut.txt"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(out, "powercut.json"), append(encoded, '\n'), 0o644),
	)
}

// revision asks git, and returns "unknown" if that fails.
func revision() string {
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := string(bytes.TrimSpace(head))
	changes, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(top,exclude)bench/results").Output()
	if err != nil || len(changes) > 0 {
		name += "-dirty"
	}
	return name
}
