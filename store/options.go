package store

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"allocstore/store/internal/logfile"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/state"
)

// Defaults of Options.
const (
	DefaultLockTimeout        = time.Second
	DefaultMaxAllocationBytes = 1 << 20
	DefaultMaxBatchBytes      = 64 << 20
	DefaultInitialMmapBytes   = 16 << 20 << (10 * has64Bits) // 16 GiB, or 16 MiB where int has 32 bits
	DefaultFeedRetention      = 100_000
)

// has64Bits is 1 where int has 64 bits, else 0.
const has64Bits = ^uint(0) >> 63

// maxMaxAllocationBytes bounds Options.MaxAllocationBytes: a record has up to two parts of
// that size, and bbolt takes values below 2 GiB.
const maxMaxAllocationBytes = 512 << 20

// Options are the settings of a store. A nil *Options and a zero field mean the
// default. Open copies the struct.
type Options struct {
	// LockTimeout bounds the wait of Open for another opener to release the file; then it
	// returns ErrLocked. Default 1 s; below 0 it does not wait.
	LockTimeout time.Duration

	// MaxAllocationBytes bounds the encoded size of one write, its job included, and of what the
	// scheduler or the client owns after a task event or a status; more is ErrTooLarge. Above it an
	// event may not add bytes, but a status with its description of up to 256 bytes is always
	// taken. Default 1 MiB, at most 512 MiB.
	MaxAllocationBytes int

	// MaxBatchBytes bounds the encoded size of one batch, with 128 bytes for each condition beside
	// its name or ID, and the bytes that it writes: a task event is written with all that the
	// client has reported before. A larger batch is ErrTooLarge, unless the stored content of one
	// allocation alone is larger. Default 64 MiB.
	MaxBatchBytes int

	// InitialMmapBytes is the address space reserved for the file. A file that outgrows it
	// is mapped anew, which waits for running reads. Address space is not memory. Default
	// 16 GiB, and 16 MiB on 32-bit platforms. There the file has at most 1.75 GiB: Open refuses a
	// larger one, and a write that would make it larger is ErrNoSpace.
	InitialMmapBytes int

	// FeedRetention is the number of latest changes that compaction keeps at least, for
	// readers of Changes that will come back. 0 means the default of 100,000. Below 0
	// compaction keeps no change, with math.MaxInt it keeps all.
	FeedRetention int

	// ReadOnly opens the store for reading alone. Several read-only openers may share the file,
	// but not with a writer. The file must exist; neither it nor its directory is written,
	// and every change returns ErrReadOnly. After a writer was killed, its last writes may
	// be read although they were never synced, and may be lost in a power cut.
	ReadOnly bool

	// Replicated says that the store is one of several replicas of a log, which writes by ApplyEntries
	// alone: Apply, ApplyAt, the shorthands and Restore return ErrReplicated. All replicas begin with
	// empty stores, or with the same backup.
	//
	//  - Open refuses a damaged file with ErrCorrupt, since the replica would refuse writes that
	//    the others take: install it anew from another one. An entry that finds damage later fails
	//    the store.
	//  - Compaction keeps the changes above the highest Limits.Floor of all entries, and all of them
	//    before the first entry that has one.
	//  - A reader may come from a replica that is ahead. Changes and Follow wait for an index above
	//    the last one, and no result of a wait has an Index below its MinQueryIndex. After TimedOut
	//    the Alloc may be older than that Index; its ModifyIndex tells.
	Replicated bool

	// ResidentBytes bounds the memory of decoded allocations, their jobs aside; see
	// Stats.ResidentBytes. Above it some are dropped, in random order, and decoded again
	// when they are read. The minimum is 1; 0 means no bound.
	ResidentBytes int64

	// DetectMutation lets the store remember the latest 4,096 allocations that it handed
	// out, with their content and the call sites that received them. If one has changed, its
	// next reader, Check or Close gets ErrMutated, with its ID and the first and last of
	// these call sites. It is for tests: every read costs some microseconds, and a lock.
	DetectMutation bool

	// Logger receives the damage that Open and Restore find and can live with: quarantined
	// allocations (see ErrCorrupt), and the remains of an interrupted commit. Nil means
	// [slog.Default] as of Open.
	Logger *slog.Logger

	// openFile replaces os.OpenFile in tests that make the disk fail.
	openFile func(string, int, os.FileMode) (*os.File, error)

	// diskEnd is where the disk ends, in tests of a full one; nil for none.
	diskEnd func() int64
}

// Validate reports all invalid settings at once. A nil o is valid.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	atLeast := func(name string, value, minimum int) {
		if value != 0 && value < minimum {
			errs = append(errs, fmt.Errorf("%w: Options.%s is %d, the least is %d", ErrInvalid, name, value, minimum))
		}
	}
	atLeast("MaxAllocationBytes", o.MaxAllocationBytes, 1)
	atLeast("MaxBatchBytes", o.MaxBatchBytes, 1)
	atLeast("InitialMmapBytes", o.InitialMmapBytes, 1)
	if o.ResidentBytes < 0 {
		errs = append(errs, fmt.Errorf("%w: Options.ResidentBytes is %d, the least is 1, or 0 for no bound", ErrInvalid, o.ResidentBytes))
	}
	if o.MaxAllocationBytes > maxMaxAllocationBytes {
		errs = append(errs, fmt.Errorf("%w: Options.MaxAllocationBytes is %d, the most is %d", ErrInvalid, o.MaxAllocationBytes, maxMaxAllocationBytes))
	}
	return errors.Join(errs...)
}

// withDefaults returns a copy of o with a default for every zero that means one.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	c.LockTimeout = cmp.Or(c.LockTimeout, DefaultLockTimeout)
	c.MaxAllocationBytes = cmp.Or(c.MaxAllocationBytes, DefaultMaxAllocationBytes)
	c.MaxBatchBytes = cmp.Or(c.MaxBatchBytes, DefaultMaxBatchBytes)
	c.InitialMmapBytes = cmp.Or(c.InitialMmapBytes, DefaultInitialMmapBytes)
	c.FeedRetention = max(cmp.Or(c.FeedRetention, DefaultFeedRetention), 0)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.openFile == nil {
		c.openFile = os.OpenFile
	}
	return c
}

// limits returns the bounds of a batch of Apply.
func (o *Options) limits() plan.Limits {
	return plan.Limits{BatchBytes: o.MaxBatchBytes, AllocationBytes: o.MaxAllocationBytes, Of: "Options.Max"}
}

// logfile returns the options of the store's file.
func (o *Options) logfile() logfile.Options {
	return logfile.Options{LockTimeout: o.LockTimeout, InitialMmapBytes: o.InitialMmapBytes, ReadOnly: o.ReadOnly, OpenFile: o.openFile, Limit: o.diskEnd}
}

// state returns the options of the store's states.
func (o *Options) state() *state.Options {
	return &state.Options{FeedRetention: o.FeedRetention, ResidentBytes: o.ResidentBytes, Logger: o.Logger}
}
