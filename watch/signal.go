package watch

import "strconv"

// ID names a thing to wait for. The registry gives its bytes no meaning.
type ID = [16]byte

// Kind is the reason of a signal.
type Kind uint8

// Kinds of signals.
const (
	// Changed: one of the waiter's IDs changed above its min.
	Changed Kind = iota + 1

	// Restored: everything may have changed at once.
	Restored

	// Closed: there will be no more changes, in good order.
	Closed

	// Failed: there will be no more changes, because of a fault.
	Failed

	// Expired: the waiter's time is up; see Registry.ExpireAfter.
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

// Signal wakes a waiter. It is a hint to look again, not the change itself: by the time
// it is read, there may have been later changes.
type Signal struct {
	Kind  Kind
	ID    ID     // Changed: the ID, one of the waiter's
	Index uint64 // Changed, Restored: the index that the caller passed
	Err   error  // Closed, Failed: the reason that the caller passed
}

// expiry is the signal of all waiters whose time is up.
var expiry = &Signal{Kind: Expired}

// terminal reports whether no other signal follows.
func (s *Signal) terminal() bool { return s.Kind == Closed || s.Kind == Failed }
