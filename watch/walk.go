package watch

// turnLen is the number of nodes that a walk visits before it frees the shard's lock:
// some 15 µs of sending if the readers are not blocked yet, some 140 µs if every send
// makes a goroutine ready.
const turnLen = 256

// call is a signal and its receivers.
type call struct {
	signal Signal
	all    bool   // a broadcast: to every waiter of an earlier epoch
	epoch  uint32 // the broadcast's own
}

// reaches reports whether the call is for w.
func (c *call) reaches(w *Waiter) bool {
	if c.all {
		return w.epoch != c.epoch
	}
	return w.min < c.signal.Index
}

// walk carries a call along one list, from its head to its end, in turns. Between two
// turns it holds no lock, and a bookmark in the list keeps its place: the nodes around it
// may go, and new ones are linked at the head, behind it.
type walk struct {
	sh    *shard
	call  call
	id    ID
	hash  uint64
	mark  *node   // the bookmark. Invariant: it is linked between two turns; nil before the first pause
	sent  *Signal // shared by all that are woken; nil before the first
	woken int
}

// wake sends c to the waiters that wait on id when it begins, and returns the number of
// waiters that it woke.
func wake(sh *shard, hash uint64, id ID, c call) int {
	k := walk{sh: sh, call: c, id: id, hash: hash}
	for k.turn() {
	}
	return k.woken
}

// turn visits up to turnLen nodes and reports whether there are more.
func (k *walk) turn() (more bool) {
	k.sh.mu.Lock()
	defer k.sh.mu.Unlock()
	at := k.sh.heads.first(&k.id, k.hash)
	if k.mark != nil {
		at = k.mark.next
		k.sh.unlinkLocked(k.mark)
	}
	for range turnLen {
		if at == nil {
			return false
		}
		n := at
		at = n.next // read first: a visit may unlink n and free it for its owner
		if n.w != nil {
			k.visitLocked(n)
		}
	}
	if at == nil {
		return false
	}
	if k.mark == nil {
		k.mark = &node{id: k.id}
	}
	k.sh.insertLocked(k.mark, at)
	return true
}

// visitLocked wakes the waiter of n if the call is for it. If the waiter is no longer
// armed, it was woken for another of its IDs or is deregistering: then n is only unlinked.
func (k *walk) visitLocked(n *node) {
	w := n.w
	if w.state.Load() == armed && !k.call.reaches(w) {
		return
	}
	k.sh.unlinkLocked(n) // before the send, see Waiter.released
	if !w.claim() {
		return
	}
	k.sh.waiting.Add(-1)
	if k.sent == nil {
		signal := k.call.signal
		k.sent = &signal
	}
	w.send(k.sent)
	k.woken++
}
