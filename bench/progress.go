package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// progress shows the progress of a phase on a terminal. Elsewhere it shows nothing.
type progress struct {
	w    io.Writer // nil if the output is not a terminal
	done atomic.Int64
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{w: w}
		}
	}
	return new(progress)
}

// show shows a phase until the returned function is called.
func (p *progress) show(name string, total int) (end func()) {
	p.done.Store(0)
	if p.w == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			fmt.Fprintf(p.w, "\r\033[K%s %d/%d", name, p.done.Load(), total)
			select {
			case <-tick.C:
			case <-stop:
				fmt.Fprint(p.w, "\r\033[K")
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}
