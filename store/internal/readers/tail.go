package readers

import "sync"

// A Tail lets feed readers wait for the next commit. Its zero value is ready.
// Without waiting readers it costs the committer one uncontended lock a group.
type Tail struct {
	mu   sync.Mutex // guards next; a leaf lock
	next chan struct{}
}

// After returns a channel that is closed by the next Wake. Call After first, then look
// whether there is something to read, then receive: a commit that is published between
// the look and the receive closes the channel.
func (t *Tail) After() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = make(chan struct{})
	}
	return t.next
}

// Wake closes the channel that readers have, if any.
func (t *Tail) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		close(t.next)
		t.next = nil
	}
}
