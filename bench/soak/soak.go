package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
	"allocstore/store"
)

// A soakReport is the report of both runs.
type soakReport struct {
	*report.Report
	With, Without []sample // in order of time
}

// measure does both runs in dir.
func measure(ctx context.Context, c config, dir string, progress io.Writer) (*soakReport, error) {
	s := &soakReport{Report: report.New(c.Command, dir)}
	with, err := soak(ctx, c, nil, filepath.Join(dir, "with.db"), s.with("with compaction", progress))
	if err != nil {
		return nil, fmt.Errorf("with compaction: %w", err)
	}
	machine.Release()
	without, err := soak(ctx, c, &store.Options{FeedRetention: math.MaxInt}, filepath.Join(dir, "without.db"), s.with("without compaction", progress))
	if err != nil {
		return nil, fmt.Errorf("without compaction: %w", err)
	}
	s.With, s.Without = with, without
	s.judge()
	return s, nil
}

// An output receives the results of one run.
type output struct {
	*report.Report
	suffix   string
	progress io.Writer
}

func (s *soakReport) with(suffix string, progress io.Writer) output {
	return output{s.Report, ", " + suffix, progress}
}

// judge compares the figures with their targets.
func (s *soakReport) judge() {
	highest := func(of []sample) (ratio float64) {
		for _, one := range of {
			ratio = max(ratio, one.Ratio)
		}
		return ratio
	}
	s.AtMost("file, of the live bytes, at the most", highest(s.With), "x", 3)
	s.Record("the same without compaction", highest(s.Without), "x")
	with, without := s.Phase("update, with compaction"), s.Phase("update, without compaction")
	s.AtMost("p99 of updates, of that without compaction", float64(with.P99)/float64(without.P99), "x", 2)
	s.AtMost("worst p99 of a sample, of the worst without compaction", float64(highestP99(s.With))/float64(highestP99(s.Without)), "x", 2)
	s.Record("rate of updates, of that without compaction", with.Rate()/without.Rate(), "x")
	s.Record("passes of compaction", float64(s.With[len(s.With)-1].Passes), "")
}

// highestP99 returns the highest p99 of the samples.
func highestP99(of []sample) (p99 int64) {
	for _, one := range of {
		p99 = max(p99, int64(one.P99))
	}
	return p99
}
