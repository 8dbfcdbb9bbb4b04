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

// chainWorkload is what chains begin with, and the options of what goes on.
var chainWorkload = workload{
	name: "chain", rounds: 12, writers: 1, ids: 8, largest: 3000, compact: 5, restore: 10, reopen: 7, gaps: 4,
	options: store.Options{FeedRetention: -1, InitialMmapBytes: 32 << 10, Logger: slog.New(slog.DiscardHandler)},
}

// chainRounds is how much is done in a link, at the most.
const chainRounds = 3

const linksEach = 3

// A chaining is crashes one after the other: what one has left is opened, which may fail,
// and used, until the next one, somewhere in that.
type chaining struct {
	cutting // of each link
	*rand.Rand
}

func newChaining(seed uint64) *chaining {
	return &chaining{cutting{budget: 150, seed: seed, most: 1}, rand.New(rand.NewPCG(seed, 3))}
}

// chained is what chains have done.
type chained struct {
	Chains int
	Killed int // links after a crash that only the process did not survive
	Failed int // links in which an operation failed
	Images *tally
}

// A link is a recording, of which what comes before the operation at from was before the
// last crash.
type link struct {
	*recording
	from int
	told string // of the crashes that led there
}

// run makes one chain.
func (c *chaining) run(d *disk, got *chained) error {
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
		cut := c.cutting
		cut.from = l.from
		images, err := cut.cut(l.recording)
		if err != nil {
			return err
		}
		got.Images.add(images)
		if err := images.fault(); err != nil {
			return fmt.Errorf("%w%s", err, l.told)
		}
	}
	return nil
}

// next crashes a link, and goes on with what is left.
func (c *chaining) next(d *disk, l *link, got *chained) (*link, error) {
	at := c.moment(l)
	before := newDevice()
	for i := range l.Ops[:at] {
		before.do(&l.Ops[i])
	}
	one, killed := c.fates(before.units), c.IntN(3) == 0
	next := &link{told: fmt.Sprintf("%s\npower cut before operation %d:%s", l.told, at, describe(before.units, one))}
	if killed {
		got.Killed++
		for i := range one {
			one[i] = fate{kind: done}
		}
		next.told = fmt.Sprintf("%s\nkilled before operation %d", l.told, at)
	}
	f := c.fault()
	if f.N > 0 {
		next.told += fmt.Sprintf("\nthen %v of %v", f, f.Only)
	}
	rec, base, err := c.use(d, before.cutPower(one), l.history, f, got)
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, next.told)
	}
	next.recording, next.from = rec, base
	if killed {
		rec.Ops, next.from = before.joined(l.Ops[:at], rec.Ops, base), at
	}
	return next, nil
}

// moment chooses the operation before which a link is crashed: often a sync, and often one
// of the first, which are those of opening it.
func (c *chaining) moment(l *link) int {
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

// fates chooses what a power cut makes of the units.
func (c *chaining) fates(units []*unit) []fate {
	all := fates(units, c.Rand)
	if c.IntN(2) == 0 {
		all = lastAlone(len(units))
	}
	return all[c.IntN(len(all))]
}

// fault chooses what fails in a link, as often as not nothing.
func (c *chaining) fault() Fault {
	switch c.IntN(6) {
	case 0, 1:
		return Fault{N: 1 + c.IntN(8), Only: []OpKind{OpSync}, Err: syscall.EIO, Forever: c.IntN(3) == 0}
	case 2:
		return Fault{N: 1 + c.IntN(30), Only: []OpKind{OpWrite, OpTruncate, OpSync}, Err: syscall.EIO, Forever: c.IntN(3) == 0}
	}
	return Fault{}
}

// use opens what is left, and goes on until everything is done, or f happens; then it is
// opened once more, and closed. It returns what was recorded, with base, the number of
// operations that put the image there.
func (c *chaining) use(d *disk, img *image, h *history, f Fault, got *chained) (_ *recording, base int, err error) {
	r, err := newRun(d, chainWorkload, c.Uint64())
	if err == nil {
		err = errors.Join(d.begin(Fault{}), img.putDurably(filepath.Dir(r.path)))
	}
	if err != nil {
		return nil, 0, err
	}
	was, err := d.take()
	if err = errors.Join(err, d.note(img.acked), d.fail(f)); err != nil {
		return nil, 0, err
	}
	r.history, r.n = h.clone(), c.IntN(1<<30)<<20 // what is written was never there before
	v := &survivor{run: r, sure: f.N == 0, acked: img.acked}
	err = v.goOn()
	record, e := d.take()
	if e == nil && record.Failed > 0 && v.wrong == nil {
		got.Failed++
		err = errors.Join(d.heal(), v.again())
		record, e = d.take()
	}
	return &recording{record, r.history}, len(was.Ops), errors.Join(err, e)
}

// A survivor is a store in what a crash has left, and its use.
type survivor struct {
	*run
	sure  bool   // nothing fails
	acked uint64 // what has been acknowledged
	wrong error  // what is not as it should be, whatever fails
}

// goOn opens the store, and does this and that.
func (v *survivor) goOn() error {
	if err := v.takeUp(); err != nil {
		return err
	}
	for range v.IntN(chainRounds + 1) {
		if err := v.some(); err != nil {
			if v.s != nil {
				_ = v.s.Close() // it has failed
			}
			return err
		}
	}
	return v.s.Close()
}

// again opens the store after something has failed.
func (v *survivor) again() error {
	if err := v.takeUp(); err != nil {
		return err
	}
	return v.s.Close()
}

// takeUp opens the store, and the history where it shows it to be.
func (v *survivor) takeUp() (err error) {
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

// peek opens the store only to read, some of the time, and returns the index that it shows
// then, or 0: there may be none yet, or a commit to be taken back.
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

// some does one thing.
func (v *survivor) some() error {
	switch n := v.IntN(10); {
	case n == 0:
		return v.s.Compact(context.Background())
	case n == 1:
		if err := v.s.Close(); err != nil {
			return err
		}
		return v.takeUp()
	case n == 2 && v.sure:
		return errors.Join(v.save(), v.write(), v.bringBack())
	}
	return v.write()
}

// write applies a batch. If it fails, it may be there or not.
func (v *survivor) write() error {
	steps, want := v.steps(true), v.last+1+v.Uint64N(2)*v.Uint64N(5)
	_, err := v.s.ApplyAt(context.Background(), want, batchOf(steps))
	v.apply(want, steps)
	if err != nil {
		return err
	}
	return v.note()
}

// note notes that everything so far was acknowledged.
func (v *survivor) note() error {
	v.acked = v.last
	return v.disk.note(v.last)
}

// clone returns a history that goes on by itself.
func (h *history) clone() *history {
	return &history{states: maps.Clone(h.states), current: h.current, last: h.last}
}

// rewind has the history end where a store that was opened has it end: what comes after
// that has never been, and does not come back.
func (h *history) rewind(s *store.Store, acked uint64) error {
	if err := h.matches(s, acked); err != nil {
		return err
	}
	h.last, h.current = s.LastIndex(), make(map[string]*schema.Allocation)
	maps.DeleteFunc(h.states, func(index uint64, _ *state) bool { return index > h.last })
	for a, err := range s.All() {
		if err != nil {
			return err
		}
		h.current[a.ID] = a.Clone()
	}
	return nil
}

// putDurably is put with everything synced.
func (img *image) putDurably(dir string) error {
	if err := img.put(dir); err != nil {
		return err
	}
	for name := range img.files {
		if err := syncPath(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return syncPath(dir)
}

// joined returns what was done to the device, and what was done to a copy of all that was
// to be seen on it, after the base operations that made the copy.
func (d *device) joined(before, ops []Op, base int) []Op {
	copied, number := newDevice(), make(map[int]int)
	for i := range ops[:base] {
		copied.do(&ops[i])
	}
	for name, file := range copied.live {
		number[file] = d.live[name]
	}
	all := slices.Clone(before)
	for _, op := range ops[base:] {
		if is, ok := number[op.File]; ok {
			op.File = is
		}
		all = append(all, op)
	}
	return all
}
