package watch

// turnLen is how many nodes a walk looks at before it lets others have the
// shard's lock: some 15 µs of sending when nobody is blocked yet, some 140 µs
// when every send has a goroutine to make ready.
const turnLen = 256

// call is a signal and whom it is for.
type call struct {
	signal Signal
	all    bool   // a broadcast: for every waiter of an earlier epoch
	epoch  uint32 // the broadcast's own
}

// reaches reports whether the call is for w.
func (c *call) reaches(w *Waiter) bool {
	if c.all {
		return w.epoch != c.epoch
	}
	return w.min < c.signal.Index
}

// walk takes a call along one list, from its head to its end, in turns. Between
// two turns it holds no lock, and a bookmark in the list keeps its place: the
// nodes around may go, and those who come are put at the head, behind it.
type walk struct {
	sh    *shard
	call  call
	id    ID
	hash  uint64
	mark  *node   // in the list between two turns; nil before the first pause
	sent  *Signal // what all that are woken receive; nil before the first
	woken int
}

// wake sends c to those who wait on id when it begins, and returns how many of
// them it woke.
func wake(sh *shard, hash uint64, id ID, c call) int {
	k := walk{sh: sh, call: c, id: id, hash: hash}
	for k.turn() {
	}
	return k.woken
}

// turn goes some nodes further and reports whether there are more.
func (k *walk) turn() (more bool) {
	k.sh.mu.Lock()
	defer k.sh.mu.Unlock()
	at := k.resumeLocked()
	for range turnLen {
		if at == nil {
			return false
		}
		n := at
		at = n.next // read first: the nodes of a woken waiter are its owner's
		if n.w != nil {
			k.visitLocked(n)
		}
	}
	k.pauseLocked(at)
	return at != nil
}

// resumeLocked returns the node to go on with, nil at the end of the list.
func (k *walk) resumeLocked() *node {
	if k.mark == nil {
		return k.sh.heads.first(&k.id, k.hash)
	}
	at := k.mark.next
	k.sh.unlinkLocked(k.mark)
	return at
}

// pauseLocked puts the bookmark before at, unless the walk is at its end.
func (k *walk) pauseLocked(at *node) {
	if at == nil {
		return
	}
	if k.mark == nil {
		k.mark = &node{id: k.id}
	}
	k.sh.insertLocked(k.mark, at)
}

// visitLocked wakes the waiter of n if the call is for it. A node whose waiter is
// no longer armed is left over from another of its IDs or is on its way out: it
// goes, and nobody is woken.
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
