package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// errViolation is the error of a run in which the cluster broke a promise.
var errViolation = errors.New("the cluster has broken a promise")

// A runner is one run.
type runner struct {
	config
	c      *cluster
	n      *nemesis
	r      *report
	base   uint64
	rows   map[int]row
	stderr io.Writer
	began  time.Time
	ready  time.Time // when the first part began
	last   *part
}

// run runs a cluster under faults. The error is errViolation if the cluster broke a
// promise; the report names the violations.
func run(ctx context.Context, c config, stderr io.Writer) (*report, error) {
	r := newRunner(c, stderr)
	return r.r, r.whole(ctx)
}

func newRunner(c config, stderr io.Writer) *runner {
	r := &runner{config: c, stderr: stderr, began: time.Now()}
	r.r = &report{
		Command: c.command, Date: time.Now().UTC().Truncate(time.Second), Revision: revision(), Seed: c.seed,
		Faults: make(map[string]int), Calls: make(map[string]int),
	}
	return r
}

// whole runs everything, with a directory that stays if the run fails.
func (r *runner) whole(ctx context.Context) (err error) {
	temporary := r.dir == ""
	if temporary {
		if r.dir, err = os.MkdirTemp("", "clusters"); err != nil {
			return err
		}
	}
	err = r.run(ctx)
	r.r.Length = time.Since(r.began)
	if len(r.r.Failed) > 0 {
		err = errors.Join(errViolation, err)
	}
	canceled := ctx.Err() != nil && len(r.r.Failed) == 0
	if err != nil && !canceled {
		r.r.Left = r.dir
	} else if temporary {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

func (r *runner) note(format string, args ...any) {
	if r.verbose {
		fmt.Fprintf(r.stderr, "%8.2f "+format+"\n", append([]any{time.Since(r.began).Seconds()}, args...)...)
	}
}

func (r *runner) run(ctx context.Context) (err error) {
	if r.c, err = newCluster(r.dir, r.mutant, r.note); err != nil {
		return err
	}
	r.r.Mounted = r.c.mounted
	defer func() { err = errors.Join(err, r.c.close()) }()
	r.n = newNemesis(r.c, r.seed)
	r.n.only = r.only
	if err := r.c.begin(ctx); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.c.watch(watching)
	}()
	defer func() {
		stop()
		<-watched
		r.sum()
	}()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	for r.ready = time.Now(); len(r.r.Failed) == 0 && time.Since(r.ready) < r.time; {
		if err := r.part(ctx); err != nil {
			return err
		}
		if r.only != nil || len(r.r.Failed) > 0 || r.n.with.IntN(3) > 0 {
			continue
		}
		if err := r.restore(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare places the registers, the diaries and the fillers.
func (r *runner) prepare(ctx context.Context) error {
	var b batch
	place := func(id int, node string, filler int) {
		b.Writes = append(b.Writes, write{Kind: kindUpsert, ID: id, Token: fmt.Sprint("0.0.", id), Node: node, Job: node, Filler: filler})
	}
	for n := range registers {
		place(registerFirst+n, "registers", 0)
		b.Writes = append(b.Writes, write{Kind: kindEvent, ID: registerFirst + n, Token: fmt.Sprint("0.0.", registerFirst+n)})
	}
	for n := range registerClients + changers + 1 {
		place(diaryFirst+n, "diaries", 0)
	}
	for n := range fillers {
		place(fillerFirst+n, "fillers", fillerBytes)
	}
	m, a := (*machine)(nil), applyAnswer{}
	for w := wait(patience); w.more() && a.Kind != kindOK; { // elections may come between
		var err error
		if m, err = r.c.leader(ctx); err != nil {
			return err
		}
		a = m.apply(ctx, &b, patience)
	}
	if a.Kind != kindOK {
		return fmt.Errorf("the first batch: %s: %s", a.Kind, a.Error)
	}
	content := m.content(ctx)
	for _, m := range r.c.members() {
		if a := m.read(ctx, &readQuery{ID: registerFirst, Min: content.Index, Milli: int(patience.Milliseconds())}); a.Kind != kindOK {
			return fmt.Errorf("node %s does not show index %d: %s", m.id, content.Index, a.Error)
		}
	}
	return r.begin(content)
}

// begin makes a content that of the beginning of the next part.
func (r *runner) begin(a contentAnswer) error {
	if a.Kind != kindOK {
		return fmt.Errorf("the content: %s: %s", a.Kind, a.Error)
	}
	r.base, r.rows = a.Index, make(map[int]row)
	for _, row := range a.Rows {
		r.rows[row.ID] = row
	}
	r.c.forgetDigests()
	return nil
}

// part runs one part, and checks it.
func (r *runner) part(ctx context.Context) error {
	r.r.Parts++
	p := &part{c: r.c, number: r.r.Parts, seed: r.seed<<16 + uint64(r.r.Parts), base: r.base, rows: r.rows, rec: newRecorder(r.base)}
	length := max(min(r.config.part, r.time-time.Since(r.ready)), time.Second)
	last, err := p.run(ctx, length, r.n)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if last != nil {
		for name, n := range p.check(last) {
			r.r.Calls[name] += n
		}
	}
	r.r.Batches += len(p.rec.feed)
	r.r.Skipped += p.skipped.Load()
	r.r.Failed = append(r.r.Failed, p.rec.faults...)
	r.r.Failed = append(r.r.Failed, r.c.seenFaults()...)
	if err != nil {
		r.r.Failed = append(r.r.Failed, err.Error())
	}
	r.note("part %d: %d batches, %d calls, %d violations", p.number, len(p.rec.feed), len(p.rec.calls), len(r.r.Failed))
	r.last = p
	if len(r.r.Failed) > 0 {
		return p.rec.write(filepath.Join(r.dir, "history.json"), r.rows)
	}
	p.content = last
	return r.begin(*last)
}

func (c *cluster) seenFaults() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.faults
}

// sum adds up the counts of the cluster.
func (r *runner) sum() {
	for name, n := range r.n.counts {
		r.r.Faults[name] += n
	}
	r.c.mu.Lock()
	r.r.Elections = r.c.mu.leaders
	r.c.mu.Unlock()
	r.r.Installs = r.c.installs.sum()
}
