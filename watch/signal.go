package watch

import "strconv"

// ID names what a waiter waits for. The registry gives its bytes no meaning.
type ID = [16]byte

// Kind says why a waiter was woken.
type Kind uint8

const (
	// Changed says that one of the waiter's IDs changed above its min.
	Changed Kind = iota + 1

	// Restored says that everything may have changed at once.
	Restored

	// Closed says that there will be no more changes, in good order.
	Closed

	// Failed says that there will be no more changes, because of a fault.
	Failed

	// Expired says that the waiter's time is up; see Registry.ExpireAfter.
	Expired
)

var kindNames = [...]string{Changed: "changed", Restored: "restored", Closed: "closed", Failed: "failed", Expired: "expired"}

// String returns the kind's name in lower case, and "kind(n)" for an unknown one.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Signal is what a woken waiter is told. It is a hint to look again, not the
// change itself: by the time it is read, there may have been later ones.
type Signal struct {
	Kind  Kind
	ID    ID     // Changed: which of the waiter's IDs
	Index uint64 // Changed, Restored: the index that the caller passed
	Err   error  // Closed, Failed: the reason that the caller passed
}

// expiry is what all receive whose time is up.
var expiry = &Signal{Kind: Expired}

// terminal reports whether nothing follows the signal.
func (s *Signal) terminal() bool { return s.Kind == Closed || s.Kind == Failed }
