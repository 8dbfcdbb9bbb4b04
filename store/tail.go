package store

import "sync"

// A tail lets feed readers wait for the next commit. Its zero value is ready.
// Without waiting readers it costs the committer one uncontended lock a group.
type tail struct {
	mu   sync.Mutex // guards next; a leaf lock
	next chan struct{}
}

// after returns a channel that is closed by the next wake. Call after first, then look
// whether there is something to read, then receive: a commit that is published between
// the look and the receive closes the channel.
func (t *tail) after() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = make(chan struct{})
	}
	return t.next
}

// wake closes the channel that readers have, if any.
func (t *tail) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}
