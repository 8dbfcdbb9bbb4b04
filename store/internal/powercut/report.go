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

// perWorkload is how many images one run of a workload is good for.
const perWorkload = 5000

// sweepImages is how many images each run of the sweep is good for.
const sweepImages = 100

// A report is what was tried. There is none of a run that found anything wrong.
type report struct {
	Command   string
	Date      time.Time
	Revision  string // of the repository; "-dirty" if files differ from it
	Go        string
	CPUs      int
	Workloads int
	Cuts      *tally
	Seconds   float64  // that the images of Cuts took
	Sweep     *swept   `json:",omitempty"`
	SweepTook float64  `json:",omitempty"` // seconds
	Chains    *chained `json:",omitempty"`
	Ext4      *tally   `json:",omitempty"` // of images of a file system
	Ext4Took  float64  `json:",omitempty"` // seconds
}

// measure does all that the flags ask for.
func measure(ctx context.Context, c config, d *disk, progress io.Writer) (*report, error) {
	r := &report{
		Command: c.command, Date: time.Now().UTC().Truncate(time.Second), Revision: revision(),
		Go: runtime.Version(), CPUs: runtime.NumCPU(), Cuts: new(tally),
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
	if c.sweep {
		began := time.Now()
		var err error
		sw := sweeping{sweepWorkload, cutting{budget: sweepImages, seed: c.seed, most: 1}, false}
		if r.Sweep, err = sw.sweep(d); err != nil {
			return nil, err
		}
		r.SweepTook = time.Since(began).Seconds()
	}
	if err := r.crash(ctx, c, d); err != nil {
		return nil, err
	}
	if c.ext4 > 0 {
		return r, r.cutExt4(ctx, c, d)
	}
	return r, nil
}

// crash makes chains.
func (r *report) crash(ctx context.Context, c config, d *disk) error {
	if c.chains > 0 {
		r.Chains = &chained{Images: new(tally)}
	}
	for n := range uint64(c.chains) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := newChaining(c.seed<<16+n).run(d, r.Chains); err != nil {
			return fmt.Errorf("chain, seed %d: %w", c.seed<<16+n, err)
		}
	}
	return nil
}

// perExt4 is how many images one run of the workload in an ext4 is good for.
const perExt4 = 500

// cutExt4 cuts the power below a file system.
func (r *report) cutExt4(ctx context.Context, c config, d *disk) error {
	began := time.Now()
	r.Ext4 = new(tally)
	for seed := c.seed; r.Ext4.Images < c.ext4; seed++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := performOnExt4(d, "barrier=1", seed)
		if err != nil {
			return err
		}
		t, err := rec.cut(cutting{budget: min(perExt4, c.ext4), seed: seed, most: 1})
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

// cut does one more workload.
func (r *report) cut(c config, d *disk) error {
	w := workloads[r.Workloads%len(workloads)]
	seed := c.seed<<16 + uint64(r.Workloads)
	rec, err := perform(d, w, seed)
	if err != nil {
		return err
	}
	began := time.Now()
	t, err := cutting{budget: min(perWorkload, c.images), seed: seed, most: 1}.cut(rec)
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

// fault is an error if there were bad images.
func (t *tally) fault() error {
	if t.Bad == 0 {
		return nil
	}
	return errors.New(t.Example)
}

// String is the report for people.
func (r *report) String() string {
	var b strings.Builder
	t := r.Cuts
	fmt.Fprintf(&b, "%s\n%s, %s, %s, %d processors\n\n", r.Command, r.Date.Format(time.DateTime), r.Revision, r.Go, r.CPUs)
	fmt.Fprintf(&b, "power cuts: %d images of %d workloads, at %d moments, %.0f a second\n", t.Images, r.Workloads, t.Points, float64(t.Images)/r.Seconds)
	t.opened(&b)
	fmt.Fprintf(&b, "  with something undone: %d, torn: %d, scattered: %d, garbage: %d\n", t.Fates["undone"], t.Fates["torn"], t.Fates["scattered"], t.Fates["garbage"])
	fmt.Fprintf(&b, "  bad: %d\n", t.Bad)
	if s := r.Sweep; s != nil {
		fmt.Fprintf(&b, "fail at step n: %d runs of %d steps in %.0f s; in %d nobody had to know\n", s.Runs, s.Steps, r.SweepTook, s.Silent)
		fmt.Fprintf(&b, "  power cuts after recovery: %d images, bad: %d\n", s.Images.Images, s.Images.Bad)
	}
	if c := r.Chains; c != nil {
		fmt.Fprintf(&b, "chains of crashes: %d of %d links each, %d after a kill, %d with a failure; %d images, bad: %d\n",
			c.Chains, linksEach, c.Killed, c.Failed, c.Images.Images, c.Images.Bad)
	}
	if t := r.Ext4; t != nil {
		fmt.Fprintf(&b, "power cuts below an ext4: %d images, at %d moments, in %.0f s\n", t.Images, t.Points, r.Ext4Took)
		t.opened(&b)
		fmt.Fprintf(&b, "  bad: %d\n", t.Bad)
	}
	return b.String()
}

// opened says at which index the images have opened.
func (t *tally) opened(w io.Writer) {
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

// revision asks git, and returns "unknown" where it cannot tell.
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
