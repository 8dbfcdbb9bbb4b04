package store

import (
	"context"
	"fmt"
	"iter"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// Change is one entry of the feed: an allocation as one batch left it.
type Change struct {
	Index uint64
	ID    string             // in lower case
	Alloc *schema.Allocation // shared, read-only; nil if the batch deleted it

	// Last says that no other change has this index: the batch is complete. A reader that
	// may be interrupted notes the index of the latest such change.
	Last bool
}

// A feed is one reader of Changes. It reads the log itself, a few records in each short
// transaction.
type feed struct {
	c     *core
	st    *state.State
	after uint64     // where it began
	next  record.Key // the first key that has not been read
	at    uint64     // the index at which it is registered as a reader
	chunk []Change
}

const (
	// feedChunk and feedBytes bound the changes read in one transaction.
	feedChunk = 128
	feedBytes = 1 << 20
)

// Changes returns every change with an index above after, in the order of the indexes and,
// within one, of the batch. It goes on with new changes until ctx ends or the caller stops.
// A batch has one change for each allocation that it changed, with the content that it
// left.
//
// The feed is the log on the disk, so it survives restarts. A reader resumes with the index
// of the latest Change that it has processed and whose Last is set. 0 returns everything.
//
// It blocks while there is nothing to read, and holds neither a lock nor a transaction
// while the caller processes a change.
//
// The sequence ends with a zero Change and an error: ctx's own; ErrClosed; ErrFailed, after
// everything published; ErrCompacted, at once, if changes above after have been removed;
// ErrFutureIndex, at once, if after is above the last index, unless Options.Replicated is set;
// ErrRestored if the store is restored; ErrCorrupt, at a damaged change. ErrCompacted also ends it
// in a replica that catches up with a state that has forgotten the next changes. After the last
// four a reader starts over from a Snapshot and its Index: a feed cannot pass a damaged change
// until compaction has removed it. An index that this store has returned is never a future one.
func (s *Store) Changes(ctx context.Context, after uint64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		f := feed{c: &s.core, st: s.state.Load(), after: after, next: record.FirstAfter(after)}
		if err := f.run(ctx, after, yield); err != nil {
			yield(Change{}, err)
		}
	}
}

// run yields until the caller stops, which returns nil, or an error ends it.
func (f *feed) run(ctx context.Context, after uint64, yield func(Change, error) bool) error {
	f.enter()
	defer f.leave()
	if err := f.mayBegin(ctx, after); err != nil {
		return err
	}
	for {
		if err := f.wait(ctx); err != nil {
			return err
		}
		st := f.st
		err := f.read()
		if e := f.follow(); e != nil {
			return e
		}
		if err != nil && f.st != st {
			continue // the old file is closed
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
		f.reenter()
	}
}

// mayBegin returns why the log cannot be read from after on, or nil. The feed has entered, so that
// the floor stays; see package compaction.
func (f *feed) mayBegin(ctx context.Context, after uint64) error {
	if floor := f.st.Floor.Load(); after < floor {
		return fmt.Errorf("%w: changes after %d were asked for, they are kept after %d", ErrCompacted, after, floor)
	}
	if last := f.st.Index.Committed(); after > last && !f.c.opts.Replicated {
		if err := f.ended(ctx); err != nil {
			return err
		}
		return fmt.Errorf("read changes: %w", &FutureIndexError{Index: after, Last: last})
	}
	return nil
}

// enter registers the feed at the index before the one that it reads next, until leave.
func (f *feed) enter() {
	f.at = f.c.readers.Enter(func() uint64 { return min(f.next.Index-1, f.st.Index.Last()) })
}

func (f *feed) leave() { f.c.readers.Leave(f.at) }

// reenter moves the registration to the present position, so that compaction may follow.
func (f *feed) reenter() {
	was := f.at
	f.enter()
	f.c.readers.Leave(was)
}

// wait blocks until there is something to read, or the store is restored.
func (f *feed) wait(ctx context.Context) error {
	for {
		more := f.c.tail.After()
		if err := f.ended(ctx); err != nil {
			return err
		}
		if f.st.Index.Last() >= f.next.Index && !f.next.Exhausted() {
			return nil
		}
		if err := f.c.failed(); err != nil {
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
		case <-f.c.life.Done():
		}
	}
}

// ended returns why the feed ends wherever it is, or nil. The feed may have another state afterwards.
func (f *feed) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.c.closed.Load() {
		return ErrClosed
	}
	return f.follow()
}

// follow has the feed go on in the state of the store.
func (f *feed) follow() error {
	st, err := f.c.follow(f.st, f.after, f.next.Index-1)
	if err == nil {
		f.st = st
	}
	return err
}

// read fills the chunk with the next changes, up to the last published index.
func (f *feed) read() error {
	f.chunk = f.chunk[:0]
	last, size := f.st.Index.Last(), 0
	return f.st.File.View(func(t logfile.Tx) error {
		for e, err := range t.Records(f.next) {
			if err != nil {
				return err
			}
			if e.Key.Index > last {
				break
			}
			f.endBatch(e.Key.Index)
			if len(f.chunk) == feedChunk || size >= feedBytes {
				f.next = e.Key
				return nil
			}
			if err := f.add(t, &e); err != nil {
				return err
			}
			size += len(e.Value)
		}
		f.endBatch(index.None)
		f.next = record.FirstAfter(last)
		return nil
	})
}

// endBatch marks the latest change as the last of its index, if the next one has another.
func (f *feed) endBatch(following uint64) {
	if n := len(f.chunk); n > 0 && f.chunk[n-1].Index != following {
		f.chunk[n-1].Last = true
	}
}

// add adds the change that the record made.
func (f *feed) add(t logfile.Tx, e *logfile.Entry) (err error) {
	ch := Change{Index: e.Key.Index, ID: e.ID.String()}
	if v := f.st.Table.Get(&e.ID); v != nil && v.Pair().Newest() == e.Key {
		ch.Alloc = v.Current()
	}
	if ch.Alloc == nil && !e.Tombstone() {
		if ch.Alloc, err = f.st.Assemble(t, e.ID, e.PairAt(e.Key)); err != nil {
			return err
		}
	}
	if ch.Alloc, err = f.c.handOut(ch.Alloc, nil); err != nil {
		return err
	}
	f.chunk = append(f.chunk, ch)
	return nil
}
