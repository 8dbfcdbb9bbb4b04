package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"allocstore/bench/internal/machine"
	"allocstore/bench/internal/report"
)

// A sample describes a few seconds of the run: rates and latencies over them, sizes at
// their end.
type sample struct {
	Seconds                         float64 // since the start of the run
	Rate                            float64 // updates a second
	P50, P99                        time.Duration
	FileBytes, LiveBytes, DeadBytes int64
	Ratio                           float64 // file bytes to live bytes
	Passes                          uint64
	Behind                          uint64 // changes that the feed reader has not read yet
	Anonymous                       int64  // bytes of the process's own memory
}

// sampling collects samples until the time is up.
func (s *soaker) sampling(ctx context.Context) {
	began := time.Now()
	last := began
	for over := false; !over; {
		over = s.sleep(ctx, s.every)
		now := time.Now()
		h := new(report.Histogram)
		for g := range s.meters {
			s.meters[g].drain(h)
		}
		if over && h.Len() < len(s.meters) && len(s.samples) > 0 {
			return // the rest is too short for a sample
		}
		one := s.sample(h, now.Sub(last))
		one.Seconds = now.Sub(began).Seconds()
		s.samples = append(s.samples, one)
		last = now
	}
}

// sample reads the current state of the store into a sample.
func (s *soaker) sample(h *report.Histogram, d time.Duration) sample {
	fed := s.feed.at.Load()
	stats := s.s.Stats()
	return sample{
		Rate: float64(h.Len()) / d.Seconds(), P50: h.Quantile(.5), P99: h.Quantile(.99),
		FileBytes: stats.FileBytes, LiveBytes: stats.LiveBytes, DeadBytes: stats.DeadBytes,
		Ratio: float64(stats.FileBytes) / float64(max(stats.LiveBytes, 1)), Passes: stats.Passes,
		Behind: max(stats.LastIndex, fed) - fed, Anonymous: machine.ResidentNow().Anonymous,
	}
}

// Text writes the report as text, with about 30 samples of each run.
func (s *soakReport) Text(w io.Writer) error {
	if err := s.Report.Text(w); err != nil {
		return err
	}
	for _, of := range []struct {
		name    string
		samples []sample
	}{{"with compaction", s.With}, {"without compaction", s.Without}} {
		fmt.Fprintf(w, "\n%s:\n\n", of.name)
		if err := table(w, of.samples); err != nil {
			return err
		}
	}
	return nil
}

// table writes every step-th sample, and the last one.
func table(w io.Writer, samples []sample) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "seconds\tupdates/s\tp50\tp99\tfile, MB\tlive, MB\tdead, MB\tfile/live\tpasses\tfeed behind\tmemory, MB\t")
	step := max(1, len(samples)/30)
	for k, one := range samples {
		if k%step != 0 && k != len(samples)-1 {
			continue
		}
		fmt.Fprintf(t, "%.0f\t%.0f\t%v\t%v\t%d\t%d\t%d\t%.2f\t%d\t%d\t%d\t\n", one.Seconds, one.Rate,
			one.P50.Round(10*time.Microsecond), one.P99.Round(10*time.Microsecond),
			one.FileBytes/1e6, one.LiveBytes/1e6, one.DeadBytes/1e6, one.Ratio, one.Passes, one.Behind, one.Anonymous/1e6)
	}
	return t.Flush()
}
