package raftstore

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// anew is the way back of a node whose directory is lost.
const anew = "remove the node from the cluster, remove its directory, and let it join anew"

// A recovery compares the three things in a node's directory before raft starts: the store, the log, and the
// newest snapshot's meta. A node that starts with things that do not belong together would skip entries
// that its store lacks, or wait for ever for entries that no log has.
//
//	log.first - 1 <= meta.Index                   nothing is missing between the snapshot and the log
//	meta.Index <= AppliedIndex                    the store has what the log may lack; else the log gives it
//	AppliedIndex <= max(log.last, meta.Held, 1)   the store has nothing that was never in this log
type recovery struct {
	dir   string
	store *store.Store
	log   raft.LogStore
	terms raft.StableStore // raft's term and vote
	meta  *meta

	first, last uint64 // of the log; 0 and 0 if it is empty
}

func (r *recovery) run() error {
	if err := r.finishInstall(); err != nil {
		return err
	}
	if err := r.measure(); err != nil {
		return err
	}
	if err := r.checkEnds(); err != nil {
		return err
	}
	if err := r.replay(); err != nil {
		return err
	}
	if err := r.cutLog(); err != nil {
		return err
	}
	if err := r.forgetTerm(); err != nil {
		return err
	}
	if err := r.readLog(); err != nil {
		return err
	}
	return r.checkTerm()
}

// checkTerm compares raft's term, whose bytes have no checksum, with those of the vote, the last entry and the snapshot. Raft
// writes it first of all. A node that has lost it might vote twice in one.
func (r *recovery) checkTerm() error {
	term, err := r.terms.GetUint64(keyTerm)
	if err != nil {
		return err
	}
	least, err := r.terms.GetUint64(keyVoteTerm)
	if err != nil {
		return err
	}
	if least = max(least, r.meta.Term); r.last > 0 {
		var log raft.Log
		if err := readEntry(r.log, r.last, &log); err != nil {
			return fmt.Errorf("log entry %d: %w", r.last, err)
		}
		least = max(least, log.Term)
	}
	if term < least {
		return fmt.Errorf("%w: the term is %d, and the vote, the log or the newest snapshot has term %d; %s", ErrLogMismatch, term, least, anew)
	}
	return nil
}

// readLog reads the entries that raft will read: it panics if it cannot.
func (r *recovery) readLog() error {
	if err := r.measure(); err != nil {
		return err
	}
	for i := max(r.first, r.meta.Index+1); i <= r.last; i++ {
		var log raft.Log
		if err := readEntry(r.log, i, &log); err != nil {
			return fmt.Errorf("log entry %d of %d to %d: %w; %s", i, r.first, r.last, err, anew)
		}
	}
	return nil
}

// finishInstall makes the snapshot whose installation was interrupted the newest one, if the store has its content.
func (r *recovery) finishInstall() (err error) {
	name, next := filepath.Join(r.dir, metaName), filepath.Join(r.dir, nextMetaName)
	if r.meta, err = readMeta(name); err != nil {
		return err
	}
	begun, err := readMeta(next)
	if err != nil {
		return err
	}
	if begun.Index <= r.meta.Index || begun.Index > r.store.AppliedIndex() {
		return removeSynced(next)
	}
	r.meta = begun
	return rename(next, name)
}

func (r *recovery) measure() (err error) {
	if r.first, err = r.log.FirstIndex(); err != nil {
		return err
	}
	r.last, err = r.log.LastIndex()
	return err
}

func (r *recovery) checkEnds() error {
	applied, held := r.store.AppliedIndex(), max(r.last, r.meta.Index, r.meta.Held, 1)
	switch {
	case r.first > r.meta.Index+1 && r.last > r.meta.Index:
		return fmt.Errorf("%w: the log begins at %d, and the newest snapshot is at %d; %s", ErrLogMismatch, r.first, r.meta.Index, anew)
	case applied > held:
		return fmt.Errorf("%w: the store has applied entries up to %d, and the log ends at %d: it was removed, or is another one's; "+
			"to begin a cluster with the content of a store, restore its backup by Node.Restore; otherwise %s", ErrLogMismatch, applied, max(r.last, r.meta.Index), anew)
	case applied < r.meta.Index && (r.last < r.meta.Index || r.first > applied+1):
		return fmt.Errorf("%w: the store has applied the log up to %d, the newest snapshot is at %d, and the log has only the entries %d to %d: "+
			"the store is an old copy, or a new one; %s", ErrLogMismatch, applied, r.meta.Index, r.first, r.last, anew)
	}
	return nil
}

// replay applies the entries up to the snapshot that the store lacks. They are committed. Raft begins after the
// snapshot.
func (r *recovery) replay() error {
	for i := r.store.AppliedIndex() + 1; i <= r.meta.Index; i++ {
		var log raft.Log
		if err := readEntry(r.log, i, &log); err != nil {
			return fmt.Errorf("log entry %d: %w", i, err)
		}
		e, _, err := decodeLog(&log)
		if err != nil {
			return err
		}
		if _, err := r.store.ApplyEntries(context.Background(), []store.Entry{e}); err != nil {
			return err
		}
	}
	return nil
}

// cutLog removes a log that an installed snapshot has replaced: one that ends before it, or has another entry at
// its index. Raft does so after an installation, which a crash may have prevented. The log takes no entry after a gap.
func (r *recovery) cutLog() error {
	if r.last == 0 || r.meta.Index == 0 || r.meta.Index < r.first {
		return nil
	}
	if r.last >= r.meta.Index {
		var log raft.Log
		if err := readEntry(r.log, r.meta.Index, &log); err != nil {
			return fmt.Errorf("log entry %d: %w", r.meta.Index, err)
		}
		if log.Term == r.meta.Term {
			return nil
		}
	}
	return r.log.DeleteRange(r.first, r.last)
}

// Raft's keys.
var keyTerm, keyVoteTerm = []byte("CurrentTerm"), []byte("LastVoteTerm")

// forgetTerm ends a Bootstrap that was interrupted. Raft stores the term first, and then the members as the first entry of
// the log. With the term alone it would neither bootstrap nor elect. A node that has never voted, and has no entry, needs
// no term.
func (r *recovery) forgetTerm() error {
	if r.last > 0 || r.meta.Index > 0 {
		return nil
	}
	term, err := r.terms.GetUint64(keyTerm)
	if err != nil || term == 0 {
		return err
	}
	if voted, err := r.terms.GetUint64(keyVoteTerm); err != nil || voted > 0 {
		return err
	}
	return r.terms.SetUint64(keyTerm, 0)
}
