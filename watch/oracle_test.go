package watch_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// model does the same as the registry, in the most naive way.
type model struct {
	waiters  []modelWaiter
	terminal watch.Signal
}

type modelWaiter struct {
	armed bool
	min   uint64
	ids   []watch.ID
	inbox watch.Signal
	class int // -1 for no class, or while it is not registered
}

// register registers a waiter, with a class or with -1.
func (m *model) register(i int, min uint64, class int, ids []watch.ID) {
	m.waiters[i] = modelWaiter{armed: true, min: min, ids: ids, class: class}
	if m.terminal.Kind != 0 {
		m.waiters[i].receive(m.terminal)
	}
}

func (w *modelWaiter) receive(s watch.Signal) { w.armed, w.inbox = false, s }

func (w *modelWaiter) waitsOn(id watch.ID) bool {
	for _, have := range w.ids {
		if have == id {
			return true
		}
	}
	return false
}

func (m *model) notify(id watch.ID, index uint64) (woken int) {
	for i := range m.waiters {
		if w := &m.waiters[i]; w.armed && w.min < index && w.waitsOn(id) {
			w.receive(watch.Signal{Kind: watch.Changed, ID: id, Index: index})
			woken++
		}
	}
	return woken
}

func (m *model) broadcast(s watch.Signal) (woken int) {
	for i := range m.waiters {
		if w := &m.waiters[i]; w.armed {
			w.receive(s)
			woken++
		}
	}
	if s.Kind != watch.Restored && m.terminal.Kind != watch.Closed {
		if m.terminal.Kind == 0 || s.Kind == watch.Closed {
			m.terminal = s
		}
	}
	return woken
}

func (m *model) len() (n int) {
	for i := range m.waiters {
		if m.waiters[i].armed {
			n++
		}
	}
	return n
}

// waited returns the classes of the registered waiters, also of those that have been woken.
func (m *model) waited() (all watch.Classes) {
	for i := range m.waiters {
		if c := m.waiters[i].class; c >= 0 {
			all[c/64] |= 1 << (c % 64)
		}
	}
	return all
}

// rig drives a registry and its model with the same operations.
type rig struct {
	r     *watch.Registry
	ws    []*watch.Waiter
	m     model
	bytes []byte // select the operations
}

// classes are those of the rig's waiters: the first and the last of a word, and others.
var classes = []watch.Class{0, 1, 63, 64, 127, 128, 200, 255}

func newRig(waiters int, ops []byte) *rig {
	g := &rig{r: watch.New(), bytes: ops, m: model{waiters: make([]modelWaiter, waiters)}}
	for range waiters {
		g.ws = append(g.ws, watch.NewWaiter())
		g.m.waiters[len(g.ws)-1].class = -1
	}
	return g
}

// next returns the next number below n, 0 when the bytes are used up.
func (g *rig) next(n int) int {
	if len(g.bytes) == 0 {
		return 0
	}
	b := g.bytes[0]
	g.bytes = g.bytes[1:]
	return int(b) % n
}

func (g *rig) ids() []watch.ID {
	ids := make([]watch.ID, max(1, g.next(6)-2))
	for i := range ids {
		ids[i] = idOf(g.next(7))
	}
	return ids
}

// step does one operation on both and returns the number of waiters that each woke.
func (g *rig) step() (got, want int) {
	i := g.next(len(g.ws))
	switch op := g.next(32); {
	case op < 10:
		min, ids := uint64(g.next(16)), g.ids()
		register(g.r, g.ws[i], min, ids...)
		g.m.register(i, min, -1, ids)
	case op < 14:
		min, class, id := uint64(g.next(16)), classes[g.next(len(classes))], idOf(g.next(7))
		registerClass(g.r, g.ws[i], min, class, id)
		g.m.register(i, min, int(class), []watch.ID{id})
	case op < 20:
		g.r.Deregister(g.ws[i])
		g.m.waiters[i] = modelWaiter{class: -1}
	case op < 30:
		id, index := idOf(g.next(7)), uint64(g.next(16))
		return g.r.Notify(id, index), g.m.notify(id, index)
	case op < 31 || g.next(8) > 0:
		s := watch.Signal{Kind: watch.Restored, Index: uint64(g.next(16))}
		if g.m.terminal.Kind != 0 {
			s = g.m.terminal
		}
		return g.r.Broadcast(s), g.m.broadcast(s)
	default:
		s := watch.Signal{Kind: watch.Closed + watch.Kind(g.next(2))}
		return g.r.Broadcast(s), g.m.broadcast(s)
	}
	return 0, 0
}

// receive has one waiter, armed or not, look into its channel.
func (g *rig) receive(t require.TestingT) {
	i := g.next(len(g.ws))
	require.Equal(t, g.m.waiters[i].inbox, pending(g.ws[i]), "a waiter receives what the model sends")
	g.m.waiters[i].inbox = watch.Signal{}
}

// run does all operations and then deregisters all waiters.
func (g *rig) run(t *testing.T) {
	for len(g.bytes) > 0 {
		got, want := g.step()
		require.Equal(t, want, got, "the registry wakes as many as the model")
		require.Equal(t, g.m.len(), g.r.Len(), "Len is the number of armed waiters")
		require.Equal(t, g.m.waited(), g.r.Waited(), "Waited has the classes of the registered waiters")
		g.receive(t)
	}
	for i, w := range g.ws {
		require.Equal(t, g.m.waiters[i].inbox, pending(w), "a waiter receives what the model sends")
		g.r.Deregister(w)
	}
	requireEmpty(t, g.r)
}

func TestOracle(t *testing.T) {
	t.Parallel()
	for range 100 {
		seed := rand.Uint64()
		t.Logf("seed %#x", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		ops := make([]byte, 4000)
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		newRig(1+rnd.IntN(12), ops).run(t)
	}
}

func FuzzOracle(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 1, 20, 1, 5})
	f.Add([]byte{3, 0, 1, 5, 1, 2, 3, 0, 25, 2, 9, 3, 3, 31, 0, 1})
	f.Fuzz(func(t *testing.T, ops []byte) { newRig(5, ops).run(t) })
}
