//go:build !race

package store

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// firstStack returns the bytes of the stack that the next goroutine begins with. The runtime sets it at
// each garbage collection, to a power of two above the mean depth of all stacks.
func firstStack() uint64 {
	size := []metrics.Sample{{Name: "/gc/stack/starting-size:bytes"}}
	metrics.Read(size)
	return size[0].Value.Uint64()
}

// stacksInUse returns the bytes of all stacks. Each collection may halve a stack that is mostly unused, so
// that the last of them finds none.
func stacksInUse() int64 {
	for range 5 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse)
}

// parked are readers of one allocation.
type parked struct {
	s      *Store
	n      int
	id     string
	opts   QueryOptions
	before int64  // stacksInUse without them
	end    func() // ends them
	ctx    context.Context

	// handled is told of each result that a reader has handled, before it waits again.
	handled chan struct{}
}

// park blocks n readers in wait.
func park(t *testing.T, s *Store, n int, wait func(*parked)) *parked {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	p := &parked{
		s: s, n: n, id: testAlloc(1).ID, opts: QueryOptions{MinQueryIndex: s.LastIndex()}, before: stacksInUse(),
		end: func() { cancel(); wg.Wait() }, ctx: ctx, handled: make(chan struct{}),
	}
	had := s.Stats().Waiters
	for range n {
		wg.Go(func() { wait(p) })
	}
	p.await(had + n)
	return p
}

// once waits for one result, which it keeps on its stack as a reader does that looks at it.
func (p *parked) once() {
	r, err := p.s.Wait(p.ctx, p.id, p.opts)
	keep(&r, err)
}

//go:noinline
func keep(r any, err error) {
	runtime.KeepAlive(r)
	runtime.KeepAlive(err)
}

// loop encodes each result, and waits for the next one.
func (p *parked) loop() {
	for opts := p.opts; ; {
		r, err := p.s.Wait(p.ctx, p.id, opts)
		if err != nil {
			return
		}
		_ = json.NewEncoder(io.Discard).Encode(r.Alloc)
		opts.MinQueryIndex = r.Index
		p.handled <- struct{}{}
	}
}

// onceList and loopList are once and loop for the list of the allocation's node.
func (p *parked) onceList() {
	r, err := p.s.WaitList(p.ctx, Node("node"), p.opts)
	keep(&r, err)
}

func (p *parked) loopList() {
	for opts := p.opts; ; {
		r, err := p.s.WaitList(p.ctx, Node("node"), opts)
		if err != nil {
			return
		}
		_ = json.NewEncoder(io.Discard).Encode(r.Changed)
		opts.MinQueryIndex = r.Index
		p.handled <- struct{}{}
	}
}

// await waits until the store has that many waiters.
func (p *parked) await(waiters int) {
	for p.s.Stats().Waiters < waiters {
		time.Sleep(time.Millisecond)
	}
}

// each returns the bytes of stack that a reader takes, now that it is parked.
func (p *parked) each() int64 { return (stacksInUse() - p.before) / int64(p.n) }

// wake wakes all readers, which handle the result and wait again.
func (p *parked) wake(t *testing.T) {
	t.Helper()
	_, err := p.s.AppendTaskEvent(t.Context(), testAlloc(1).ID, "redis", "", schema.TaskEvent{Type: schema.TaskSetup, Time: time.Now().UnixNano()})
	require.NoError(t, err)
	for range p.n {
		<-p.handled
	}
	p.await(p.n)
}

// A blocked reader's stack, with a share for those that are of the next size.
const (
	shallow = 2<<10 + 1<<9
	grown   = 4<<10 + 1<<9
)

// TestBlockedReaderFitsItsFirstStack checks the claim of wait's comment. A blocked reader needs no more
// stack than the 2 kB that a goroutine begins with where most goroutines of the process are such readers.
// In any other process, and once it has handled a result, it keeps at most 4 kB; see design/0007.
//
// The size that goroutines begin with depends on all that the process has done before, so the test makes
// blocked readers the majority at first.
func TestBlockedReaderFitsItsFirstStack(t *testing.T) {
	for name, reader := range map[string]struct{ once, loop func(*parked) }{
		"of an allocation": {(*parked).once, (*parked).loop},
		"of a list":        {(*parked).onceList, (*parked).loopList},
	} {
		t.Run(name, func(t *testing.T) { requireSmallStacks(t, reader.once, reader.loop) })
	}
}

func requireSmallStacks(t *testing.T, once, loop func(*parked)) {
	const readers = 4000
	s := openTemp(t, nil)
	upsert(t, s, testAlloc(1))

	majority := park(t, s, readers, once)
	_ = stacksInUse()
	require.EqualValues(t, 2<<10, firstStack(), "the mean blocked reader fits into 2 kB")
	least := int64(math.MaxInt64) // a reader that has to wait for a lock needs more, and beside other work many do
	for try := 0; try < 10 && least >= shallow; try++ {
		more := park(t, s, readers/2, once)
		least = min(least, more.each())
		more.end()
	}
	require.Less(t, least, int64(shallow), "bytes of stack of a reader among readers")
	majority.end()

	over := make(chan struct{})
	var others sync.WaitGroup
	for range readers / 10 {
		others.Go(func() { deep(60, over) })
	}
	_ = stacksInUse()
	require.GreaterOrEqual(t, firstStack(), uint64(16<<10), "goroutines with deep stacks are the majority")
	among := park(t, s, readers, once)
	require.Less(t, among.each(), int64(grown), "bytes of stack of a reader among goroutines with deep stacks")
	among.end()
	close(over)
	others.Wait()

	worked := park(t, s, readers, loop)
	worked.wake(t)
	require.Less(t, worked.each(), int64(grown), "bytes of stack of a reader that has handled a result")
	worked.end()
}

// deep blocks at that many calls of 256 bytes.
//
//go:noinline
func deep(calls int, over chan struct{}) {
	var frame [256]byte
	if calls == 0 {
		<-over
	} else {
		deep(calls-1, over)
	}
	runtime.KeepAlive(&frame)
}
