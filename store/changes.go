package store

import (
	"context"
	"fmt"
	"iter"

	"allocstore/index"
	"allocstore/schema"
)

// Change is one entry of the feed: an allocation as one batch left it.
type Change struct {
	Index uint64
	ID    string             // in lower case
	Alloc *schema.Allocation // shared, read-only; nil if the batch deleted it

	// Last says that no other change has this index: the batch is complete. A
	// reader that may be interrupted notes the index of the last such change.
	Last bool
}

// A feed is one reader of Changes. It reads the log itself, in short
// transactions of a few records.
type feed struct {
	s     *Store
	next  key // the first key that has not been read
	chunk []Change
}

const (
	// feedChunk and feedBytes bound what is read in one transaction.
	feedChunk = 128
	feedBytes = 1 << 20
)

// Changes returns every change with an index above after, in the order of the
// indexes and, within one, of the batch, and then goes on with what is written
// meanwhile, until ctx ends or the caller stops. Each batch has one change for
// each allocation that it changed, with the content that it left.
//
// The feed is the log on the disk: it survives restarts, and a reader resumes by
// giving the index of the last Change that it has done with and whose Last is
// set. Give 0 for everything.
//
// It blocks while there is nothing to read, and holds neither a lock nor a transaction
// while the caller looks at a change.
//
// The sequence ends with a zero Change and an error: ctx's own; ErrClosed; ErrFailed,
// once everything published has been read; ErrCompacted, at once if changes above after
// have been removed, or when the store is restored; ErrCorrupt, at a change that is
// damaged. After the last two a reader starts over from a Snapshot and its Index:
// nothing leads past a damaged change until compaction has removed it.
func (s *Store) Changes(ctx context.Context, after uint64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		f := feed{s: s, next: firstAfter(after)}
		if err := f.run(ctx, after, yield); err != nil {
			yield(Change{}, err)
		}
	}
}

// run yields until the caller stops, which returns nil, or something ends it.
func (f *feed) run(ctx context.Context, after uint64, yield func(Change, error) bool) error {
	at := f.enter()
	defer func() { f.s.leave(at) }()
	if floor := f.s.floor.Load(); after < floor { // once registered; see sweeper.raiseFloor
		return fmt.Errorf("%w: changes after %d were asked for, they are kept after %d", ErrCompacted, after, floor)
	}
	for {
		if err := f.wait(ctx, at); err != nil {
			return err
		}
		err := f.read()
		if e := f.s.since(at); e != nil { // and what was read is of another past
			return e
		}
		for _, ch := range f.chunk {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(ch, nil) {
				return nil
			}
		}
		if err != nil {
			return err
		}
		was := at
		at = f.enter()
		f.s.leave(was)
	}
}

// enter registers the feed at the index before the one that it reads next.
func (f *feed) enter() uint64 {
	return f.s.readers.enter(func() uint64 { return min(f.next.index-1, f.s.index.Last()) })
}

// wait blocks until there is something to read, or the store is restored after the
// index at, in which case nothing that this reader waits for will come.
func (f *feed) wait(ctx context.Context, at uint64) error {
	for {
		more := f.s.tail.after()
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.s.closed.Load() {
			return ErrClosed
		}
		if err := f.s.since(at); err != nil {
			return err
		}
		if f.s.index.Last() >= f.next.index && !f.next.none() {
			return nil
		}
		if err := f.s.failed(); err != nil {
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
		case <-f.s.life.Done():
		}
	}
}

// read fills the chunk with what comes next, up to the last published index.
func (f *feed) read() error {
	f.chunk = f.chunk[:0]
	last, size := f.s.index.Last(), 0
	return f.s.file.view(func(r reading) error {
		for rec, err := range r.records(f.next) {
			if err != nil {
				return err
			}
			if rec.key.index > last {
				break
			}
			f.endBatch(rec.key.index)
			if len(f.chunk) == feedChunk || size >= feedBytes {
				f.next = rec.key
				return nil
			}
			if err := f.take(r, &rec); err != nil {
				return err
			}
			size += len(rec.value)
		}
		f.endBatch(index.None)
		f.next = firstAfter(last)
		return nil
	})
}

// endBatch marks the last change read as the last of its index, if the one that
// follows it is of another.
func (f *feed) endBatch(following uint64) {
	if n := len(f.chunk); n > 0 && f.chunk[n-1].Index != following {
		f.chunk[n-1].Last = true
	}
}

// take adds the change that the record made.
func (f *feed) take(r reading, rec *logged) (err error) {
	ch := Change{Index: rec.key.index, ID: rec.id.String()}
	if v := f.s.table.get(&rec.id); v != nil && v.pair().newest() == rec.key {
		ch.Alloc = v.current()
	}
	if ch.Alloc == nil && !rec.tombstone() {
		if ch.Alloc, err = f.s.assemble(r, rec.id, rec.pairAt(rec.key), knowledge{}); err != nil {
			return err
		}
	}
	if ch.Alloc, err = f.s.handOut(ch.Alloc, nil); err != nil {
		return err
	}
	f.chunk = append(f.chunk, ch)
	return nil
}
