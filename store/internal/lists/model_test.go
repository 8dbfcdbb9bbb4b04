package lists

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// rig drives Lists and the oracle with the same operations.
type rig struct {
	t      *testing.T
	ls     *Lists
	o      *oracle
	bytes  []byte // select the operations
	pool   []schema.ID
	names  []Name // of all lists that there may be
	places map[schema.ID]Place
	spans  []*span
	checks uint64
	keeps  bool // no index is forgotten
}

// named is the number of nodes, jobs and evaluations each. The first of them have the most
// allocations, the last are often empty.
const named = 5

func (g *rig) listName() string {
	return strconv.Itoa(min(g.next(named), g.next(named), g.next(named)))
}

func newRig(t *testing.T, ops []byte) *rig {
	g := &rig{t: t, ls: new(Lists), bytes: ops, pool: pool(), places: make(map[schema.ID]Place)}
	g.ls.Init()
	g.names = []Name{{Kind: Everything}, {Kind: Unplaced}}
	for kind := range Kind(namedKinds) {
		for i := range named {
			g.names = append(g.names, Name{kind, strconv.Itoa(i)})
		}
	}
	g.o = newOracle(g.names)
	return g
}

// pool returns the IDs to write: some that are random, and some that share long prefixes.
func pool() (ids []schema.ID) {
	r := rand.New(rand.NewPCG(1, 2))
	ids = randomIDs(r, 200, false)
	for i := range 300 {
		id := schema.ID{0: 0xab, 1: byte(i % 3), 2: 0xcd}
		binary.BigEndian.PutUint16(id[13:], uint16(i))
		ids = append(ids, id)
	}
	return append(ids, schema.ID{}, All().High)
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

func (g *rig) id() schema.ID { return g.pool[(g.next(256)<<8|g.next(256))%len(g.pool)] }

// between returns an index from low to high.
func (g *rig) between(low, high uint64) uint64 { return low + uint64(g.next(256))%(high-low+1) }

// ids returns a range: all IDs, those of a prefix, or those from one to another.
func (g *rig) ids() Range {
	switch g.next(4) {
	case 0:
		low, high := g.id(), g.id()
		if low.Compare(high) > 0 {
			low, high = high, low
		}
		return Range{low, high}
	case 1:
		return prefixRange(g.id(), g.next(33))
	}
	return All()
}

// prefixRange returns the range of the IDs that share the first digits of id.
func prefixRange(id schema.ID, digits int) Range {
	r := Range{id, id}
	for i := digits; i < 32; i++ {
		shift := 4 * (1 - i%2)
		r.Low[i/2] &^= 0xf << shift
		r.High[i/2] |= 0xf << shift
	}
	return r
}

func (g *rig) view() view {
	n := g.names[g.next(len(g.names))]
	if g.next(2) == 0 {
		n = Name{Kind(g.next(namedKinds)), "0"} // a long one
	}
	return view{n, Variant(g.next(variants))}
}

// flags returns flags for terminal, mostly without any.
func (g *rig) flags() TerminalFlags {
	some, others := g.next(4), g.next(4)
	return TerminalFlags(some & others)
}

// run does all operations.
func (g *rig) run() {
	for step := 0; len(g.bytes) > 0; step++ {
		switch op := g.next(32); {
		case op < 18:
			g.batch()
		case op < 21:
			g.trim()
		case op < 22:
			g.unused()
		case op < 23:
			g.reload()
		default:
			g.beginSpan()
		}
		g.advance()
		if step%4 == 0 {
			g.check(8)
		}
	}
	for len(g.spans) > 0 {
		g.spans[0].next(g)
	}
	g.check(len(g.o.views))
}

// batch writes some allocations at one index.
func (g *rig) batch() {
	index := g.o.last + 1 + uint64(g.next(2))
	ids := make([]schema.ID, 1+g.next(8))
	if g.next(24) == 0 {
		ids = make([]schema.ID, 1+2*g.next(150))
	}
	if first := g.next(256); g.next(3) > 0 { // neighbours
		copy(ids, g.pool[min(first, len(g.pool)-len(ids)):])
	} else {
		for i := range ids {
			ids[i] = g.id()
		}
	}
	if g.next(4) == 0 {
		ids = append(ids, ids...) // again at the same index
	}
	kind, same := g.next(8), g.next(2) == 0
	var changes []Change
	var writes []write
	for _, id := range ids {
		if !same {
			kind = g.next(8)
		}
		if c, w, ok := g.draft(id, index, kind); ok {
			changes, writes = append(changes, c), append(writes, w)
			g.places[id] = c.Is
		}
	}
	for i := range changes {
		g.apply(&changes[i], writes[i])
	}
	g.o.end(index)
	if g.next(8) == 0 {
		g.trim()
	}
	g.ls.DropUnused()
}

// draft makes a change of an allocation, if one of that kind is possible.
func (g *rig) draft(id schema.ID, index uint64, kind int) (Change, write, bool) {
	c := Change{ID: id, Index: index, Was: g.places[id]}
	if c.Was.Nowhere() && kind > 2 {
		return c, write{}, false
	}
	c.Is = c.Was
	c.Linked = g.next(8) == 0
	switch kind {
	case 0, 1, 2: // the scheduler's write
		c.Scheduled = true
		names := g.namesOf(c.Was)
		if names == nil || g.next(3) == 0 {
			names = new(Placement)
			for k := range names {
				names[k] = g.listName()
			}
		}
		c.Is = g.ls.Place(names, c.Was.Terminal)
		c.Is.Terminal.Set(ServerTerminal, g.flags())
	case 3, 4: // the client's
		c.Is.Terminal.Set(ClientTerminal, g.flags())
	case 5:
		c.Linked = true
	case 6:
		c.Is, c.Scheduled, c.Linked = Place{}, g.next(2) == 0, false
	default:
		if g.next(4) > 0 {
			return c, write{}, false
		}
		c.Is, c.Scheduled = UnknownPlace(), true
		c.Is.Terminal = g.flags()
	}
	return c, write{id: id, index: index, was: g.spot(c.Was), is: g.spot(c.Is), scheduled: c.Scheduled, linked: c.Linked}, true
}

// namesOf returns the names of the lists of a place, nil if it has no numbers.
func (g *rig) namesOf(p Place) *Placement {
	if p.kind != placed {
		return nil
	}
	var names Placement
	for k := range names {
		names[k] = g.ls.mu.named[k].byNumber[p.numbers[k]].name.Text
	}
	return &names
}

// spot returns a place as the oracle has it.
func (g *rig) spot(p Place) spot {
	s := spot{exists: !p.Nowhere(), unplaced: p.Unplaced(), ended: p.Terminal != 0}
	if names := g.namesOf(p); names != nil {
		s.names = *names
	}
	return s
}

// apply applies one change to both, and compares the views that it moves.
func (g *rig) apply(c *Change, w write) {
	g.requireAffected(c, w)
	g.ls.Apply(c)
	g.o.apply(w)
	g.requireAffected(c, w)
}

func (g *rig) requireAffected(c *Change, w write) {
	got := make(map[view]int)
	g.ls.EachAffected(c, func(n Name, v Variant) { got[view{n, v}]++ })
	for _, v := range g.o.views {
		want := w.counts(v)
		if got[v] > 1 || (got[v] == 1) != want {
			require.Fail(g.t, "EachAffected tells each view that the change affects, once", "%v, variant %d: %d times", v.name, v.variant, got[v])
		}
		if v.name.Kind == Everything && want != c.AffectsAll(v.variant) {
			require.Fail(g.t, "AffectsAll is EachAffected of all allocations")
		}
	}
	require.Equal(g.t, w.was.exists && w.was.unplaced && !(w.is.exists && w.is.unplaced), c.LeavesUnplaced())
}

// trim raises the floor, but not above an index that is read.
func (g *rig) trim() {
	top := g.o.last
	if g.keeps {
		top = 0
	}
	for _, s := range g.spans {
		top = min(top, s.at)
	}
	floor := g.between(g.ls.Floor(), top)
	if g.next(2) == 0 {
		floor = min(floor, g.ls.Floor()+uint64(g.next(4)))
	}
	g.ls.Trim(floor)
	require.Equal(g.t, floor, g.ls.Floor())
	for g.o.past[floor] == nil { // between two batches
		floor--
	}
	g.o.forget(floor)
}

// unused makes places in lists that get no members.
func (g *rig) unused() {
	for range 1 + g.next(3) {
		names := Placement{strconv.Itoa(named + g.next(3)), g.listName(), "no job " + strconv.Itoa(g.next(3))}
		p := g.ls.Place(&names, 0)
		require.Equal(g.t, &names, g.namesOf(p), "a place has the lists of its names")
	}
	if g.next(2) == 0 {
		g.trim() // drops other lists
	}
	g.ls.DropUnused()
}

// reload reads the log again, compares the lists, and goes on with the new ones.
func (g *rig) reload() {
	floor := g.between(g.ls.Floor(), g.o.last)
	loaded, places := g.build(floor)
	require.Empty(g.t, g.ls.Differences(loaded, g.o.last), "lists that are loaded equal those in use")
	require.Empty(g.t, loaded.Differences(g.ls, g.o.last), "and the other way round")
	for len(g.spans) > 0 {
		g.spans[0].next(g)
	}
	g.ls, g.places = loaded, places
	for g.o.past[floor] == nil {
		floor--
	}
	g.o.forget(floor)
	g.o.forced = 0
	for _, s := range g.o.now {
		if s.unplaced {
			g.o.forced = g.o.last
		}
	}
	g.check(len(g.o.views))
}

// build builds lists from the log.
func (g *rig) build(floor uint64) (*Lists, map[schema.ID]Place) {
	ls, places := new(Lists), make(map[schema.ID]Place)
	ls.Init()
	b := NewBuilder(ls, floor)
	for _, w := range g.o.log {
		c := Change{ID: w.id, Index: w.index, Was: places[w.id], Scheduled: w.scheduled, Linked: w.linked}
		switch {
		case w.is.unplaced:
			c.Is = UnknownPlace()
		case w.is.exists:
			c.Is = b.Place(&w.is.names, 0)
		}
		if w.is.ended {
			c.Is.Terminal = ServerTerminal
		}
		if w.index > floor {
			b.Apply(&c)
		}
		places[w.id] = c.Is
	}
	var all []Member
	for _, id := range g.pool { // in no order
		if p := places[id]; !p.Nowhere() {
			all = append(all, Member{id, p})
		} else {
			delete(places, id)
		}
	}
	b.Finish(all, g.o.last)
	return ls, places
}

// ops returns random operations.
func ops(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestOracle(t *testing.T) {
	t.Parallel()
	for range 2 {
		seed := rand.Uint64()
		t.Logf("seed %#x", seed)
		newRig(t, ops(seed, 20_000)).run()
	}
}

func FuzzLists(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 1, 0, 2, 1, 1, 1, 30, 0, 0, 3, 18, 200, 0})
	for seed := range uint64(4) {
		f.Add(ops(seed, 400))
	}
	f.Fuzz(func(t *testing.T, ops []byte) { newRig(t, ops).run() })
}

// check compares all that can be asked, of so many views. Its choices are not among the bytes, which
// select the operations alone.
func (g *rig) check(views int) {
	defer func(bytes []byte) { g.bytes = bytes }(g.bytes)
	g.checks++
	g.bytes = ops(g.checks, 1000)
	g.checkNumbers()
	first := g.next(256)
	for i := range views {
		g.checkView(g.o.views[(first+i)%len(g.o.views)])
	}
	var names []Name
	for _, n := range g.names {
		if len(g.o.members(view{name: n}, All(), g.o.last)) > 0 {
			names = append(names, n)
		}
	}
	require.ElementsMatch(g.t, names, g.ls.Names(), "Names has the lists that have members")
	for range 20 {
		id, n := g.id(), g.view().name
		s := g.o.now[id]
		require.Equal(g.t, s.in(n), g.ls.Has(n, id), "Has tells the members")
		require.Equal(g.t, s.in(n) && s.ended, g.ls.Terminal(n, id), "Terminal tells the terminal members")
	}
}

// checkView compares the index, the members and the events of one view.
func (g *rig) checkView(w view) {
	floor, r := g.ls.Floor(), g.ids()
	require.Equal(g.t, max(floor, g.o.index(w)), max(floor, g.ls.Index(w.name, w.variant)), "index of %v, variant %d", w.name, w.variant)
	members := g.o.members(w, r, g.o.last)
	require.Equal(g.t, len(members), g.ls.Count(&Query{Name: w.name, Variant: w.variant, IDs: r}), "members of %v, variant %d", w.name, w.variant)
	g.checkSince(w, r)
}

// checkSince compares the events between two indexes.
func (g *rig) checkSince(w view, r Range) {
	above := g.between(g.ls.Floor(), max(g.o.last, g.ls.Floor()))
	to := g.between(above, max(g.o.last, above))
	gone, touches := g.ls.Since(&Query{Name: w.name, Variant: w.variant, IDs: r}, above, to)
	byIndex := func(a, b Departure) int { return int(a.Index) - int(b.Index) }
	require.True(g.t, slices.IsSortedFunc(gone, byIndex), "departures come in the order of their indexes")
	require.True(g.t, slices.IsSortedFunc(touches, byIndex), "touches come in the order of their indexes")
	require.Equal(g.t, g.o.since(g.o.gone, w, r, above, to), sorted(gone), "departures from %v, variant %d", w.name, w.variant)
	require.Equal(g.t, g.o.since(g.o.touched, w, r, above, to), sorted(touches), "touches of %v, variant %d", w.name, w.variant)
}

// checkNumbers checks that names, numbers and histories agree.
func (g *rig) checkNumbers() {
	past := make(map[*list]int)
	for _, l := range g.ls.mu.past {
		past[l]++
	}
	histories := 0
	see := func(l *list) {
		if len(l.history) > 0 {
			histories++
			require.Equal(g.t, 1, past[l], "a list with a history is in past once")
			require.Greater(g.t, l.history[0].index, g.ls.Floor(), "the floor's events are trimmed")
		}
		require.True(g.t, slices.IsSortedFunc(l.history, func(a, b event) int { return int(a.index) - int(b.index) }), "Invariant: the indexes ascend")
	}
	see(&g.ls.mu.all)
	see(&g.ls.mu.unplaced)
	for kind := range g.ls.mu.named {
		of := &g.ls.mu.named[kind]
		require.Len(g.t, of.byNumber, len(of.byName)+len(of.free), "a number is free or has a list")
		for number, l := range of.byNumber {
			if l == nil {
				require.Contains(g.t, of.free, uint32(number), "a number without a list is free")
				continue
			}
			see(l)
			require.EqualValues(g.t, number, l.number)
			require.Same(g.t, l, of.byName[l.name.Text])
			require.False(g.t, l.empty() || l.unused, "a list without members and history is dropped")
		}
	}
	require.Len(g.t, past, histories, "past has lists with a history only")
	for id, p := range g.places {
		if g.o.now[id] != g.spot(p) {
			require.Equal(g.t, g.o.now[id], g.spot(p), "a number stands for one list as long as an allocation has it")
		}
	}
}
