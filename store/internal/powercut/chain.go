package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"

	"allocstore/schema"
	"allocstore/store"
)

// chainWorkload is the beginning of a chain. Its options hold for the whole chain.
var chainWorkload = workload{
	name: "chain", rounds: 12, writers: 1, ids: 8, largest: 3000, compact: 5, restore: 10, reopen: 7, gaps: 4,
	options: store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10, Logger: slog.New(slog.DiscardHandler)},
}

// chainRounds is the largest number of steps in a link.
const chainRounds = 3

// linksEach is the number of crashes in a chain.
const linksEach = 3

// A chainer makes chains of crashes. The store after a crash is opened, which may fail, and
// used, until the next crash at any of these moments.
type chainer struct {
	cutter // of each link
	*rand.Rand
}

func newChainer(seed uint64) *chainer {
	return &chainer{cutter{budget: 150, seed: seed, maxBad: 1}, rand.New(rand.NewPCG(seed, 3))}
}

// chainCounts are the results of chains.
type chainCounts struct {
	Chains int
	Killed int // links after a crash of only the process
	Failed int // links in which an operation failed
	Images *counts
}

// A link is a recording. The operations before from are those before the last crash.
type link struct {
	*recording
	from  int
	story string // of the crashes that led there
}

// run makes one chain.
func (c *chainer) run(d *disk, got *chainCounts) error {
	rec, err := perform(d, chainWorkload, c.seed)
	if err != nil {
		return err
	}
	got.Chains++
	l := &link{recording: rec}
	for range linksEach {
		if l, err = c.next(d, l, got); err != nil {
			return err
		}
		cut := c.cutter
		cut.from = l.from
		images, err := cut.cut(l.recording)
		if err != nil {
			return err
		}
		got.Images.add(images)
		if err := images.fault(); err != nil {
			return fmt.Errorf("%w%s", err, l.story)
		}
	}
	return nil
}

// next crashes a link, and uses the store that is left.
func (c *chainer) next(d *disk, l *link, got *chainCounts) (*link, error) {
	at := c.moment(l)
	before := newDevice()
	for i := range l.Ops[:at] {
		before.do(&l.Ops[i])
	}
	one, killed := c.fates(before.units), c.IntN(3) == 0
	next := &link{story: fmt.Sprintf("%s\npower cut before operation %d:%s", l.story, at, describe(before.units, one))}
	if killed {
		got.Killed++
		for i := range one {
			one[i] = fate{kind: done}
		}
		next.story = fmt.Sprintf("%s\nkilled before operation %d", l.story, at)
	}
	f := c.fault()
	if f.N > 0 {
		next.story += fmt.Sprintf("\nthen %v of %v", f, f.Only)
	}
	rec, base, err := c.use(d, before.cutPower(one), l.history, f, got)
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, next.story)
	}
	next.recording, next.from = rec, base
	if killed {
		rec.Ops, next.from = before.joined(l.Ops[:at], rec.Ops, base), at
	}
	return next, nil
}

// moment chooses the operation before which a link is crashed: often a sync, and often one
// of the first, which belong to Open.
func (c *chainer) moment(l *link) int {
	n := len(l.Ops) - l.from
	if c.IntN(2) == 0 {
		n = min(n, 16)
	}
	at, sync := l.from+c.IntN(n+1), c.IntN(2) == 0
	for sync && at < len(l.Ops) && !l.Ops[at].isSync() {
		at++
	}
	return at
}

// fates chooses an effect of the power cut on the units.
func (c *chainer) fates(units []*unit) []fate {
	all := fates(units, c.Rand)
	if c.IntN(2) == 0 {
		all = lastAlone(len(units))
	}
	return all[c.IntN(len(all))]
}

// fault chooses the fault of a link, half of the time no fault.
func (c *chainer) fault() Fault {
	switch c.IntN(6) {
	case 0, 1:
		return Fault{N: 1 + c.IntN(8), Only: []OpKind{OpSync}, Err: syscall.EIO, Forever: c.IntN(3) == 0}
	case 2:
		return Fault{N: 1 + c.IntN(30), Only: []OpKind{OpWrite, OpTruncate, OpSync}, Err: syscall.EIO, Forever: c.IntN(3) == 0}
	}
	return Fault{}
}

// use opens the store in an image, and uses it until all is done or f happens; then it opens
// the store once more, and closes it. It returns the recording, with base, the number of
// operations that wrote the image.
func (c *chainer) use(d *disk, img *image, h *history, f Fault, got *chainCounts) (_ *recording, base int, err error) {
	r, err := newRun(d, chainWorkload, c.Uint64())
	if err == nil {
		err = errors.Join(d.begin(Fault{}), img.writeDurably(filepath.Dir(r.path)))
	}
	if err != nil {
		return nil, 0, err
	}
	was, err := d.recorded()
	if err = errors.Join(err, d.note(img.acked), d.fail(f)); err != nil {
		return nil, 0, err
	}
	r.history, r.n = h.clone(), c.IntN(1<<30)<<20 // every written text is new
	v := &survivor{run: r, sure: f.N == 0, acked: img.acked}
	err = v.work()
	record, e := d.recorded()
	if e == nil && record.Failed > 0 && v.wrong == nil {
		got.Failed++
		err = errors.Join(d.repair(), v.openOnly())
		record, e = d.recorded()
	}
	return &recording{record, r.history}, len(was.Ops), errors.Join(err, e)
}

// A survivor is a store after a crash, in use.
type survivor struct {
	*run
	sure  bool   // no operation fails
	acked uint64 // the last acknowledged index
	wrong error  // a violation that no fault excuses
}

// work opens the store, and does some random steps.
func (v *survivor) work() error {
	if err := v.openAgain(); err != nil {
		return err
	}
	for range v.IntN(chainRounds + 1) {
		if err := v.act(); err != nil {
			if v.s != nil {
				_ = v.s.Close() // its failure is reported already
			}
			return err
		}
	}
	return v.s.Close()
}

// openOnly opens the store after a fault, and closes it.
func (v *survivor) openOnly() error {
	if err := v.openAgain(); err != nil {
		return err
	}
	return v.s.Close()
}

// openAgain opens the store, checks it, and has the history go on from its index.
func (v *survivor) openAgain() (err error) {
	v.s = nil
	seen, err := v.peek()
	if err != nil {
		v.wrong = fmt.Errorf("opened only to read: %w", err)
		return v.wrong
	}
	if v.s, err = store.Open(v.path, &v.options); err != nil {
		return err
	}
	if seen > 0 && v.s.LastIndex() != seen {
		err = fmt.Errorf("at index %d, and only to read at %d", v.s.LastIndex(), seen)
	} else {
		err = v.rewind(v.s, v.acked)
	}
	if err != nil {
		v.wrong = fmt.Errorf("opened again: %w", err)
		return errors.Join(err, v.s.Close())
	}
	return v.note()
}

// peek sometimes opens the store with ReadOnly, and returns its index. It returns 0 if it
// did not, or if there is no store yet, or one that needs recovery.
func (v *survivor) peek() (uint64, error) {
	if v.IntN(4) > 0 {
		return 0, nil
	}
	o := v.options
	o.ReadOnly = true
	s, err := store.Open(v.path, &o)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrReadOnly) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return s.LastIndex(), errors.Join(v.matches(s, v.acked), s.Close())
}

// act does one random step.
func (v *survivor) act() error {
	switch n := v.IntN(10); {
	case n == 0:
		return v.s.Compact(context.Background())
	case n == 1:
		if err := v.s.Close(); err != nil {
			return err
		}
		return v.openAgain()
	case n == 2 && v.sure:
		return errors.Join(v.save(), v.write(), v.restoreSaved())
	}
	return v.write()
}

// write applies a batch. If that fails, the outcome is unknown.
func (v *survivor) write() error {
	steps, want := v.steps(true), v.applied+1+v.Uint64N(2)*v.Uint64N(5)
	if v.IntN(2) == 0 {
		_, err := v.s.ApplyAt(context.Background(), want, batchOf(steps))
		v.give(want, steps)
		if err != nil {
			return err
		}
		return v.note()
	}
	_, err := v.s.ApplyEntries(context.Background(), []store.Entry{{Index: want, Batch: batchOf(steps)}, {Index: want + 1}})
	v.give(want, steps)
	v.give(want+1, nil)
	if err != nil {
		return err
	}
	return v.note()
}

// note notes that all batches so far were acknowledged.
func (v *survivor) note() error {
	v.acked = v.applied
	return v.disk.note(v.applied)
}

// clone returns a copy that changes independently.
func (h *history) clone() *history {
	return &history{states: maps.Clone(h.states), current: h.current, last: h.last, applied: h.applied, empty: maps.Clone(h.empty)}
}

// rewind has the history end at the index of the opened store s: later batches are lost, and
// must not come back.
func (h *history) rewind(s *store.Store, acked uint64) error {
	if err := h.matches(s, acked); err != nil {
		return err
	}
	h.last, h.applied, h.current = s.LastIndex(), s.AppliedIndex(), make(map[string]*schema.Allocation)
	maps.DeleteFunc(h.states, func(index uint64, _ *state) bool { return index > h.last })
	maps.DeleteFunc(h.empty, func(index uint64, _ bool) bool { return index > h.applied })
	for a, err := range s.All() {
		if err != nil {
			return err
		}
		h.current[a.ID] = a.Clone()
	}
	return nil
}

// writeDurably is writeTo with all files and the directory synced.
func (img *image) writeDurably(dir string) error {
	if err := img.writeTo(dir); err != nil {
		return err
	}
	for name := range img.files {
		if err := syncPath(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return syncPath(dir)
}

// joined returns the operations before on the device, followed by those of ops that were done
// on a copy of its files. The first base operations of ops made the copy.
func (d *device) joined(before, ops []Op, base int) []Op {
	copied := newDevice()
	for i := range ops[:base] {
		copied.do(&ops[i])
	}
	number := map[int]int{copied.root: d.root}
	for at, file := range copied.live {
		number[file] = d.live[name{d.root, at.text}]
	}
	all := slices.Clone(before)
	for _, op := range ops[base:] {
		if is, ok := number[op.File]; ok {
			op.File = is
		}
		if is, ok := number[op.Dir]; ok {
			op.Dir = is
		}
		all = append(all, op)
	}
	return all
}
