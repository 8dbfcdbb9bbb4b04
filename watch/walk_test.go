package watch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// walkRig is a registry whose list of one ID is walked turn by turn.
type walkRig struct {
	r  *Registry
	ws []*Waiter // in the order of the list
	id ID
}

// newWalkRig registers n waiters with min 0.
func newWalkRig(n int) *walkRig {
	a := &walkRig{r: New(), ws: make([]*Waiter, n)}
	for i := n - 1; i >= 0; i-- { // the last one is the head
		a.ws[i] = NewWaiter()
		register(a.r, a.ws[i], 0, a.id)
	}
	return a
}

// walk returns a walk before its first turn.
func (a *walkRig) walk(index uint64) *walk {
	c := call{signal: Signal{Kind: Changed, ID: a.id, Index: index}}
	sh, hash := a.r.locate(&a.id)
	return &walk{sh: sh, call: c, id: a.id, hash: hash}
}

// finish does all remaining turns.
func finish(k *walk) int {
	for k.turn() {
	}
	return k.woken
}

func TestWalkGoesOnWhenItsNeighbourhoodIsGone(t *testing.T) {
	t.Parallel()
	a := newWalkRig(3 * turnLen)
	k := a.walk(1)
	require.True(t, k.turn())
	require.Equal(t, turnLen, k.woken)
	for _, w := range a.ws[turnLen : turnLen+10] {
		a.r.Deregister(w) // the nodes right after the bookmark
	}
	require.Equal(t, 3*turnLen-10, finish(k), "a waiter that was there and stayed is woken")
	require.Zero(t, a.r.Entries(), "a bookmark does not stay behind")
}

func TestWalkEndsInAnEmptyList(t *testing.T) {
	t.Parallel()
	a := newWalkRig(2 * turnLen)
	k := a.walk(1)
	require.True(t, k.turn())
	for _, w := range a.ws {
		a.r.Deregister(w)
	}
	require.Equal(t, 1, a.r.Entries(), "the bookmark keeps the list while the walk pauses")
	require.Equal(t, turnLen, finish(k))
	require.Zero(t, a.r.Entries(), "a bookmark does not stay behind")
}

func TestWalkDoesNotMeetNewcomers(t *testing.T) {
	t.Parallel()
	a := newWalkRig(2 * turnLen)
	k := a.walk(1)
	require.True(t, k.turn())
	late := NewWaiter()
	register(a.r, late, 0, a.id)
	require.Equal(t, 2*turnLen, finish(k), "a walk visits the waiters that were there when it began, or it might never end")
	require.Empty(t, late.c)
	require.Equal(t, 1, a.r.Len())
	a.r.Deregister(late)
	require.Zero(t, a.r.Entries())
}

func TestWalksMeet(t *testing.T) {
	t.Parallel()
	a := newWalkRig(4 * turnLen)
	first, stays, second := a.walk(1), a.walk(0), a.walk(2)
	require.True(t, first.turn())
	require.True(t, stays.turn()) // wakes no waiter; its bookmark is among the nodes
	require.True(t, second.turn())
	require.True(t, first.turn())
	require.Equal(t, 4*turnLen, finish(second)+finish(first), "two walks wake every waiter once between them")
	require.Zero(t, finish(stays))
	require.Zero(t, a.r.Len())
	require.Zero(t, a.r.Entries(), "a bookmark does not stay behind")
}
