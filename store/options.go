package store

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// Defaults of Options.
const (
	DefaultLockTimeout        = time.Second
	DefaultMaxAllocationBytes = 1 << 20
	DefaultMaxBatchBytes      = 64 << 20
	DefaultInitialMmapBytes   = 16 << 30
	DefaultFeedRetention      = 100_000
)

// mostAllocationBytes is what Options.MaxAllocationBytes may be at the most: a record
// has two parts of that size at the most, and bbolt takes values below 2 GiB.
const mostAllocationBytes = 512 << 20

// Options are the settings of a store. A nil *Options and a zero field mean the
// default. Open copies the struct.
type Options struct {
	// LockTimeout is how long Open waits for another opener to let go of the
	// file before it returns ErrLocked. Default 1 s; below 0 it does not wait.
	LockTimeout time.Duration

	// MaxAllocationBytes bounds the encoded size of one write, its job
	// included; one above it is ErrTooLarge. Default 1 MiB, at the most 512 MiB.
	MaxAllocationBytes int

	// MaxBatchBytes bounds the encoded size of one batch, and of what it writes: a task
	// event is written with all that the client has said before. One above it is
	// ErrTooLarge. Default 64 MiB.
	MaxBatchBytes int

	// InitialMmapBytes is the address space set aside for the file. A file that
	// outgrows it has to be mapped anew, which waits for running reads. It is
	// not memory: nothing is touched before the file holds it. Default 16 GiB.
	InitialMmapBytes int

	// FeedRetention is how many of the latest changes compaction keeps at the least,
	// for readers of Changes that will come back. Default 100,000; below 0 it keeps
	// none, and with math.MaxInt everything.
	FeedRetention int

	// ReadOnly opens the store for reading alone: several may have it open so at once,
	// but none beside a writer. Neither the file nor its directory is written, whatever
	// would change the store returns ErrReadOnly, and the file must be there. After a
	// writer that was killed, what it had written and nobody has synced is there to be
	// read, and may be gone after a power cut.
	ReadOnly bool

	// ResidentBytes bounds the memory of decoded allocations, their jobs aside; see
	// Stats.ResidentBytes. Beyond it some are dropped, in no particular order, and
	// decoded again when they are read. The least is 1; 0 means no bound.
	ResidentBytes int64

	// DetectMutation has the store remember the latest 4,096 allocations that it handed
	// out: what they were like, and to whom they went. If one of them has been changed,
	// its next reader, Check or Close gets ErrMutated, with its ID and the call sites
	// that received it first and last. It is for tests: every read costs some
	// microseconds, and a lock.
	DetectMutation bool

	// Logger is told, at Open and by Restore, of damage that the store can live with: of
	// what is quarantined (see ErrCorrupt), and of what a power cut has left of a commit.
	// Nil means [slog.Default].
	Logger *slog.Logger

	// openFile replaces os.OpenFile in tests that make the disk fail.
	openFile func(string, int, os.FileMode) (*os.File, error)
}

// Validate reports every setting that cannot be, at once. A nil o is valid.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	atLeast := func(name string, value, least int) {
		if value != 0 && value < least {
			errs = append(errs, fmt.Errorf("%w: Options.%s is %d, the least is %d", ErrInvalid, name, value, least))
		}
	}
	atLeast("MaxAllocationBytes", o.MaxAllocationBytes, 1)
	atLeast("MaxBatchBytes", o.MaxBatchBytes, 1)
	atLeast("InitialMmapBytes", o.InitialMmapBytes, 1)
	if o.ResidentBytes < 0 {
		errs = append(errs, fmt.Errorf("%w: Options.ResidentBytes is %d, the least is 1, or 0 for no bound", ErrInvalid, o.ResidentBytes))
	}
	if o.MaxAllocationBytes > mostAllocationBytes {
		errs = append(errs, fmt.Errorf("%w: Options.MaxAllocationBytes is %d, the most is %d", ErrInvalid, o.MaxAllocationBytes, mostAllocationBytes))
	}
	return errors.Join(errs...)
}

// withDefaults returns a copy of o with defaults in the place of zeros, where zero is not
// itself what is meant.
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
	if c.openFile == nil {
		c.openFile = os.OpenFile
	}
	return c
}

// mode is how the file is opened.
func (o *Options) mode() int {
	if o.ReadOnly {
		return os.O_RDONLY
	}
	return os.O_RDWR
}
