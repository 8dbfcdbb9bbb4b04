package store

import (
	"time"

	"allocstore/store/internal/logfile"
)

// A lookout fails the store when its file is lost: it was removed, replaced or cut short while
// it was open, or it cannot be read.
//
// A commit looks by itself before it writes. The lookout is for a store without commits, and for
// a file that was renamed before another one took its place. The sweeper's goroutine looks every
// lookEvery.
type lookout struct {
	c         *core
	committer *committer
	last      time.Time // when the holder of the maintenance lock looked; zero if never
}

// lookEvery is the time between two looks. One takes two calls of the system.
const lookEvery = time.Second

// look looks at the file. The caller holds the maintenance lock: otherwise a compaction or a
// restore may be replacing the file.
func (l *lookout) look() {
	l.last = time.Now()
	if l.c.failed() != nil {
		return
	}
	if err := l.c.state.Load().File.Look(); err != nil {
		l.giveUp(err)
	}
}

// lookAgain looks if it is time to. The caller holds the maintenance lock.
func (l *lookout) lookAgain() {
	if time.Since(l.last) >= lookEvery {
		l.look()
	}
}

// lookAside looks for a caller that does not hold the maintenance lock. If something seems to be
// wrong, it waits for the lock and looks again.
func (l *lookout) lookAside() {
	if l.c.failed() != nil || l.c.state.Load().File.Look() == nil {
		return
	}
	if l.c.maintenance.lock(l.c.life) == nil {
		l.look()
		l.c.maintenance.unlock()
	}
}

// fault takes the first fault of a file; see logfile.File.OnFault.
func (l *lookout) fault(f *logfile.File, err error) {
	if l.c.state.Load().File == f {
		l.giveUp(err)
	}
}

// giveUp fails the store because of its file. The caller holds no lock but maintenance.
func (l *lookout) giveUp(cause error) {
	err := l.c.fail(cause)
	if !l.c.opts.ReadOnly { // writes have ErrReadOnly
		l.committer.refuse(err)
	}
}
