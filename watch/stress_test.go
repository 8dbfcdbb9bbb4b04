package watch_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"allocstore/watch"
)

// board is the data: writers publish on it, readers look at it.
type board struct {
	r      *watch.Registry
	mus    []sync.Mutex // one a cell: publishing and notifying go in index order
	cells  []atomic.Uint64
	last   atomic.Uint64
	shared sync.Mutex
	done   atomic.Bool
	unread atomic.Int64  // how many notifications the writers saved
	told   atomic.Uint64 // the index of the last restore that has been published
	woken  atomic.Int64  // the senders' count
}

func newBoard(cells int) *board {
	return &board{r: watch.New(), mus: make([]sync.Mutex, cells), cells: make([]atomic.Uint64, cells)}
}

// classID returns the ID of a cell that is notified only if the cell's class has waiters.
func classID(cell int) watch.ID { return idOf(1<<20 + cell) }

func classOf(cell int) watch.Class { return watch.Class(cell % 256) }

func has(all watch.Classes, c watch.Class) bool { return all[c/64]>>(c%64)&1 != 0 }

// write publishes a new index in a cell and then notifies.
func (b *board) write(cell int) {
	b.mus[cell].Lock()
	defer b.mus[cell].Unlock()
	index := b.last.Add(1)
	b.cells[cell].Store(index)
	b.woken.Add(int64(b.r.Notify(idOf(cell), index)))
	if has(b.r.Waited(), classOf(cell)) {
		b.woken.Add(int64(b.r.Notify(classID(cell), index)))
	} else {
		b.unread.Add(1)
	}
}

// restore publishes a restore and then broadcasts it.
func (b *board) restore() {
	b.shared.Lock()
	defer b.shared.Unlock()
	index := b.last.Add(1)
	b.told.Store(index)
	b.woken.Add(int64(b.r.Broadcast(watch.Signal{Kind: watch.Restored, Index: index})))
}

// reader is one goroutine that follows some cells until the board is done.
type reader struct {
	t       *testing.T
	b       *board
	w       *watch.Waiter
	rnd     *rand.Rand
	cells   []int
	ids     []watch.ID
	classed bool // its one cell is waited for by its class
	min     uint64
	restore uint64 // the index of the last Restored signal
}

func newReader(t *testing.T, b *board, seed uint64) *reader {
	rd := &reader{t: t, b: b, w: watch.NewWaiter(), rnd: rand.New(rand.NewPCG(seed, 1))}
	for range 1 + max(0, rd.rnd.IntN(6)-3) {
		cell := rd.rnd.IntN(len(b.cells))
		rd.cells = append(rd.cells, cell)
		rd.ids = append(rd.ids, idOf(cell))
	}
	if rd.classed = len(rd.cells) == 1 && rd.rnd.IntN(2) == 0; rd.classed {
		rd.ids[0] = classID(rd.cells[0])
	}
	return rd
}

// register registers the reader's waiter for its cells.
func (rd *reader) register() {
	if rd.classed {
		registerClass(rd.b.r, rd.w, rd.min, classOf(rd.cells[0]), rd.ids[0])
		return
	}
	register(rd.b.r, rd.w, rd.min, rd.ids...)
}

// look reports whether a cell is above the reader's min, and moves min there.
func (rd *reader) look() bool {
	before := rd.min
	for _, cell := range rd.cells {
		rd.min = max(rd.min, rd.b.cells[cell].Load())
	}
	return rd.min > before
}

// follow registers, looks again and only then blocks, until the board is done.
// A lost wake-up would leave it blocked, which the bubble reports as a deadlock.
func (rd *reader) follow() {
	for !rd.b.done.Load() {
		if rd.rnd.IntN(8) == 0 {
			rd.w = watch.NewWaiter()
		}
		rd.register()
		if !rd.look() && !rd.b.done.Load() && rd.rnd.IntN(16) > 0 {
			<-rd.w.C()
			rd.check(*rd.w.Signal())
		}
		rd.b.r.Deregister(rd.w)
		assert.Empty(rd.t, rd.w.C(), "nothing arrives after Deregister")
	}
}

// check reports a wake-up without a reason. min has not moved since the reader
// registered, or the reader would not have blocked.
func (rd *reader) check(s watch.Signal) {
	switch s.Kind {
	case watch.Changed:
		assert.Contains(rd.t, rd.ids, s.ID, "a write to another ID does not wake the reader")
		assert.Greater(rd.t, s.Index, rd.min, "a write at or below min does not wake the reader")
		assert.True(rd.t, rd.look(), "the change behind a signal is visible")
		assert.GreaterOrEqual(rd.t, rd.min, s.Index, "the change behind a signal is visible")
	case watch.Restored:
		assert.Greater(rd.t, s.Index, rd.restore, "a restore is told once")
		assert.GreaterOrEqual(rd.t, rd.b.told.Load(), s.Index, "the change behind a signal is visible")
		rd.restore = s.Index
	default:
		assert.Equal(rd.t, watch.Closed, s.Kind, "no other kind was sent")
		assert.True(rd.t, rd.b.done.Load(), "closed is the end")
	}
}

func TestStress(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, cells := range []int{1, 8, 500} {
		seed := rand.Uint64()
		t.Logf("cells %d seed %#x", cells, seed)
		synctest.Test(t, func(t *testing.T) { stress(t, cells, seed) })
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched() // a bubble's last goroutine may still be on its way out
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before, "no goroutine stays behind")
}

// stress has bursts of writes meet a hundred readers. After each burst it waits until all
// readers are blocked, and then checks that each has seen everything.
func stress(t *testing.T, cells int, seed uint64) {
	b := newBoard(cells)
	readers := make([]*reader, 100)
	var following sync.WaitGroup
	for i := range readers {
		readers[i] = newReader(t, b, seed+uint64(i))
		following.Go(readers[i].follow)
	}
	for burst := range uint64(300) {
		b.burst(rand.New(rand.NewPCG(seed, burst)))
		synctest.Wait()
		require.Equal(t, len(readers), b.r.Len(), "a reader that sees nothing new waits")
		for _, rd := range readers {
			require.False(t, rd.look(), "a reader sleeps although there is news: its wake-up was lost")
		}
	}
	b.done.Store(true)
	require.Equal(t, len(readers), b.r.Broadcast(watch.Signal{Kind: watch.Closed}))
	following.Wait()
	require.Positive(t, b.woken.Load())
	require.True(t, cells < 500 || b.unread.Load() > 0, "a class without waiters is not notified")
	requireEmpty(t, b.r)
}

// burst writes from four goroutines at once.
func (b *board) burst(rnd *rand.Rand) {
	var writing sync.WaitGroup
	for range 4 {
		seed, n := rnd.Uint64(), rnd.IntN(40)
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 0))
			for range n {
				b.write(rnd.IntN(len(b.cells)))
			}
			if rnd.IntN(8) == 0 {
				b.restore()
			}
		})
	}
	writing.Wait()
}

// TestCloseRacesWithRegister has a reader register while the registry closes. A reader
// that gets the signal from neither the broadcast nor Register would deadlock.
func TestCloseRacesWithRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 3000 {
			r := watch.New()
			var ready atomic.Int32
			together := func() { // lets both go on at the same time
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				ids := []watch.ID{idOf(i), idOf(i + 1), idOf(i + 2)}
				together()
				w := registered(r, 0, ids[:1+i%3]...)
				assert.Equal(t, watch.Closed, receive(w).Kind)
				r.Deregister(w)
			})
			wg.Go(func() {
				together()
				r.Broadcast(watch.Signal{Kind: watch.Closed})
			})
			wg.Wait()
			requireEmpty(t, r)
		}
	})
}

// TestClassRacesWithWriter has a reader begin a wait while a writer changes the ID and notifies only if
// the class has waiters. No other waiter has the class. A lost wake-up would be a deadlock.
func TestClassRacesWithWriter(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	synctest.Test(t, func(t *testing.T) {
		r, id, w := watch.New(), watch.ID{1}, watch.NewWaiter()
		saved := 0
		for range 2000 {
			var ready, data atomic.Uint64
			together := func(late int) { // lets both go on at nearly the same time
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
				for range late {
					ready.Load()
				}
			}
			lateReader, lateWriter := rnd.IntN(20_000), rnd.IntN(20_000)
			var wg sync.WaitGroup
			wg.Go(func() {
				together(lateReader)
				registerClass(r, w, 0, 7, id)
				if data.Load() == 0 {
					<-w.C()
				}
				r.Deregister(w)
			})
			wg.Go(func() {
				together(lateWriter)
				data.Store(1)
				if has(r.Waited(), 7) {
					r.Notify(id, 1)
				} else {
					saved++
				}
			})
			wg.Wait()
		}
		t.Logf("%d notifications saved", saved)
		requireEmpty(t, r)
	})
}
