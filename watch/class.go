package watch

import (
	"sync"
	"sync/atomic"
)

// A Class is a group of IDs, chosen by the caller. One change may have to notify many IDs of which few
// have waiters, such as all prefixes of an allocation's ID. So the writer asks first which classes
// have waiters, and notifies the IDs of these only.
type Class uint8

// Classes is a set of classes: bit c%64 of the word c/64 for class c.
type Classes [4]uint64

// classes count the waiters of each class.
type classes struct {
	waited [len(Classes{})]atomic.Uint64 // as Classes; changed under mu

	mu    sync.Mutex // guards count; a leaf lock
	count [64 * len(Classes{})]int32
}

// add adds n waiters to the class.
func (cs *classes) add(c Class, n int32) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	was := cs.count[c]
	cs.count[c] += n
	switch bit := uint64(1) << (c % 64); {
	case was == 0:
		cs.waited[c/64].Or(bit)
	case cs.count[c] == 0:
		cs.waited[c/64].And(^bit)
	}
}

// WatchClass is Watch for one ID, which belongs to class c. The writer may leave out Notify for the ID
// of a change if [Registry.Waited], called after the change is visible, does not have c.
func (w *Waiter) WatchClass(min uint64, c Class, id ID) {
	w.Watch(min, id)
	w.first.class = uint16(c) + 1
}

// Waited returns the classes that have registered waiters. It takes no lock. Call it after a change is
// visible: a waiter of a class that is not in the result registers later, and sees the change.
func (r *Registry) Waited() (c Classes) {
	for i := range c {
		c[i] = r.classes.waited[i].Load()
	}
	return c
}

// count adds n to the waiters of w's class, if it has one.
func (r *Registry) count(w *Waiter, n int32) {
	if w.first.class != 0 {
		r.classes.add(Class(w.first.class-1), n)
	}
}
