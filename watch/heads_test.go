package watch

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// register registers w for something else than before.
func register(r *Registry, w *Waiter, min uint64, ids ...ID) {
	r.Deregister(w)
	w.Watch(min, ids...)
	r.Register(w)
}

// checkTable compares a shard's lists with those of a map, head first.
func checkTable(t *testing.T, sh *shard, want map[ID][]*node) {
	t.Helper()
	require.Equal(t, len(want), sh.heads.lists)
	require.Len(t, sh.heads.appendIDs(nil), len(want), "every list is in the table once")
	for id, nodes := range want {
		n := sh.heads.first(&id, sh.heads.hash(&id))
		for i, node := range nodes {
			require.Same(t, node, n)
			require.Equal(t, i == 0, n.head)
			if i > 0 {
				require.Same(t, nodes[i-1], n.prev)
			}
			n = n.next
		}
		require.Nil(t, n, "a list has no others")
	}
}

// TestTableOracle links and unlinks nodes of one shard, at the heads, in the middle and at
// the ends of their lists, while the table grows to thousands of buckets and shrinks again.
func TestTableOracle(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	sh := &New().shards[0]
	want := make(map[ID][]*node)
	var all []*node
	link := func() {
		n := &node{w: new(Waiter)}
		binary.BigEndian.PutUint64(n.id[:], rnd.Uint64N(5000))
		sh.link(n, sh.heads.hash(&n.id))
		want[n.id] = append([]*node{n}, want[n.id]...)
		all = append(all, n)
	}
	unlink := func() {
		i := rnd.IntN(len(all))
		n := all[i]
		all[i] = all[len(all)-1]
		all = all[:len(all)-1]
		sh.unlink(n)
		sh.unlink(n) // has no effect
		left := make([]*node, 0, len(want[n.id]))
		for _, other := range want[n.id] {
			if other != n {
				left = append(left, other)
			}
		}
		if want[n.id] = left; len(left) == 0 {
			delete(want, n.id)
		}
	}
	largest := 0
	for _, size := range []int{1, 0, 9, 3, 200, 0, 9000, 300, 2000, 0} {
		for len(all) < size {
			link()
			if rnd.IntN(3) == 0 {
				unlink()
			}
		}
		for len(all) > size {
			unlink()
			if rnd.IntN(3) == 0 {
				link()
			}
		}
		largest = max(largest, len(sh.heads.buckets))
		checkTable(t, sh, want)
	}
	require.Greater(t, largest, 2048)
	require.Less(t, len(sh.heads.buckets), shrinkFrom, "an empty table is small")
	absent := ID{1: 9}
	require.Nil(t, sh.heads.first(&absent, sh.heads.hash(&absent)))
}

func TestShardsShareNoCacheLine(t *testing.T) {
	t.Parallel()
	if unsafe.Sizeof(uintptr(0)) == 8 { // the padding is for the machines that matter
		require.Zero(t, unsafe.Sizeof(shard{})%64)
	}
}

func TestWaiterFillsItsSizeClass(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, unsafe.Sizeof(node{}), uintptr(48))
	require.LessOrEqual(t, unsafe.Sizeof(Waiter{}), uintptr(96)) // less where pointers have 4 bytes
}
