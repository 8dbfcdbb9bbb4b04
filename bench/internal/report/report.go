package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"allocstore/bench/internal/machine"
)

// A Report holds the measurements of a run. A run that finds a fault returns no report.
type Report struct {
	Command  string
	Date     time.Time
	Revision string // of the repository; "-dirty" if files outside bench/results differ from it
	Machine  machine.Machine
	Phases   []Phase
	Figures  []Figure
}

// A Phase is a number of operations and the time they took. P50 and P99 are 0 if the
// operations were not timed one by one.
type Phase struct {
	Name       string
	Operations int
	Seconds    float64
	P50, P99   time.Duration `json:",omitempty"`
	Garbage    *float64      `json:",omitempty"` // share of the processors' busy time spent on garbage collection
	Anonymous  int64         // bytes of the process's own memory at the end, mapped files excluded
}

// A Figure is one result, with its target if the design sets one.
type Figure struct {
	Name   string
	Value  float64
	Unit   string
	Target string `json:",omitempty"` // in words; empty: no target
	Met    *bool  `json:",omitempty"`
}

// New returns an empty report of a command whose stores are in dir.
func New(command, dir string) *Report {
	return &Report{
		Command:  command,
		Date:     time.Now().UTC().Truncate(time.Second),
		Revision: Revision(),
		Machine:  machine.Describe(dir),
	}
}

// Revision returns the git revision, or "unknown".
func Revision() string {
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changes, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(top,exclude)bench/results").Output(); err != nil || len(changes) > 0 {
		name += "-dirty"
	}
	return name
}

// Record adds a figure without a target.
func (r *Report) Record(name string, value float64, unit string) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: value, Unit: unit})
}

// AtMost adds a figure with an upper limit.
func (r *Report) AtMost(name string, value float64, unit string, limit float64) {
	r.judge(Figure{Name: name, Value: value, Unit: unit, Target: fmt.Sprintf("at most %v", brief(limit))}, value <= limit)
}

// AtLeast adds a figure with a lower limit.
func (r *Report) AtLeast(name string, value float64, unit string, limit float64) {
	r.judge(Figure{Name: name, Value: value, Unit: unit, Target: fmt.Sprintf("at least %v", brief(limit))}, value >= limit)
}

func (r *Report) judge(f Figure, met bool) {
	f.Met = &met
	r.Figures = append(r.Figures, f)
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s, revision %s\n%v\n\n", r.Command, r.Date.Format(time.RFC3339), r.Revision, r.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\toperations\tseconds\trate/s\tp50\tp99\tin GC\tmemory, GB\t")
	for _, p := range r.Phases {
		garbage := "-"
		if p.Garbage != nil {
			garbage = fmt.Sprintf("%.1f %%", *p.Garbage*100)
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.0f\t%s\t%s\t%s\t%.2f\t\n", p.Name, p.Operations, p.Seconds,
			p.Rate(), duration(p.P50), duration(p.P99), garbage, float64(p.Anonymous)/1e9)
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	return r.figures(w)
}

func (r *Report) figures(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, f := range r.Figures {
		verdict := ""
		if f.Met != nil && *f.Met {
			verdict = "met"
		} else if f.Met != nil {
			verdict = "NOT MET"
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\n", f.Name, brief(f.Value), f.Unit, f.Target, verdict)
	}
	return t.Flush()
}

// Rate returns the number of operations per second.
func (p Phase) Rate() float64 { return float64(p.Operations) / max(p.Seconds, 1e-9) }

// Phase returns the first phase with that name, or an empty one.
func (r *Report) Phase(name string) Phase {
	for _, p := range r.Phases {
		if p.Name == name {
			return p
		}
	}
	return Phase{}
}

// Figure returns the first figure with that name, or an empty one.
func (r *Report) Figure(name string) Figure {
	for _, f := range r.Figures {
		if f.Name == name {
			return f
		}
	}
	return Figure{}
}

// brief formats a value with three significant digits.
func brief(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

func duration(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(max(d/1000, 1)).String()
}

// Median returns the median of the values, the lower of two middle ones, or 0 if values is empty.
func Median[T cmp.Ordered](values []T) (middle T) {
	if len(values) == 0 {
		return middle
	}
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// A Texter is a report that encodes as JSON and writes itself as text.
type Texter interface{ Text(io.Writer) error }

// Write writes the report to w, as text or as JSON. If dir is not empty, it also saves
// the report there as NAME.txt and NAME.json.
func Write(w io.Writer, asJSON bool, dir, name string, r Texter) error {
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		return err
	}
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	encoded = append(encoded, '\n')
	if dir != "" {
		if err := save(dir, map[string][]byte{name + ".txt": text.Bytes(), name + ".json": encoded}); err != nil {
			return err
		}
	}
	if asJSON {
		_, err = w.Write(encoded)
	} else {
		_, err = w.Write(text.Bytes())
	}
	return err
}

func save(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
