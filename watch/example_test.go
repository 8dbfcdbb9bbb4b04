package watch_test

import (
	"fmt"
	"sync/atomic"

	"allocstore/watch"
)

// A reader registers, looks again and only then blocks; a writer publishes and
// then notifies. However the two interleave, the reader sees the write.
func Example() {
	var (
		r    = watch.New()
		id   = watch.ID{1}
		data atomic.Uint64 // the index at which id changed last
	)
	data.Store(7)

	go func() {
		data.Store(8)   // publish,
		r.Notify(id, 8) // then notify
	}()

	const min = 7 // the reader knows this much
	w := watch.NewWaiter()
	defer r.Deregister(w)
	w.Watch(min, id)
	r.Register(w)           // register,
	if data.Load() <= min { // look again,
		<-w.C() // then block
	}
	fmt.Println("changed at", data.Load())
	// Output: changed at 8
}

func ExampleRegistry_Broadcast() {
	r := watch.New()
	r.Broadcast(watch.Signal{Kind: watch.Closed, Err: fmt.Errorf("store is closed")})

	w := watch.NewWaiter()
	w.Watch(0, watch.ID{1})
	r.Register(w)
	<-w.C()
	s := w.Signal()
	r.Deregister(w)
	fmt.Println(s.Kind, s.Err)
	// Output: closed store is closed
}
