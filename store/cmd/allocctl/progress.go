package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

// redraw is the time between two drawings of a bar.
const redraw = 100 * time.Millisecond

// A bar shows how far a command is, in the last line of the terminal. It never fails. A nil bar shows
// nothing. Its methods may be called from several goroutines.
type bar struct {
	to    *console
	title string
	total int64 // may be an estimate; 0 or less is unknown
	bytes bool  // else items

	mu    sync.Mutex
	n     int64
	drawn time.Time
	ended bool
}

// progress returns a bar of n items or bytes; -1 means that n is unknown. It is nil unless the error output
// is a terminal.
func (a *app) progress(title string, n int64, bytes bool) *bar {
	c, ok := a.err.(*console)
	if !ok || !isTerminal(c) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	b := &bar{to: c, title: title, total: n, bytes: bytes}
	b.Add(0)
	return b
}

// Write counts the bytes of p.
func (b *bar) Write(p []byte) (int, error) {
	b.Add(len(p))
	return len(p), nil
}

// Add counts n more items or bytes.
func (b *bar) Add(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n += int64(n)
	if !b.ended && (b.n == b.total || time.Since(b.drawn) >= redraw) {
		b.draw(b.n == b.total && b.total > 0)
	}
}

// Done shows that everything is done, also if the total was an estimate.
func (b *bar) Done() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.draw(true)
	}
}

// Finish removes the bar.
func (b *bar) Finish() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.to.erase()
}

// draw draws the bar. Callers hold mu.
func (b *bar) draw(done bool) {
	b.drawn = time.Now()
	width := widthOf(b.to)
	if width <= 0 {
		width = 80
	}
	b.to.draw(b.line(width-1, done)) // a character in the last column moves the cursor on some terminals
}

// line returns the bar in at most width columns.
func (b *bar) line(width int, done bool) string {
	count := humanize.Comma
	if b.bytes {
		count = func(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
	}
	left, right := b.title, count(b.n)
	share := 0.0
	known := b.total > 0 || done
	if known {
		if !done { // an estimate may be too low
			share = min(float64(b.n)/float64(b.total), 0.99)
		} else {
			share = 1
		}
		left = fmt.Sprintf("%s %3.0f %%", b.title, 100*share)
		if b.total >= b.n {
			right += " of " + count(b.total)
		}
	}
	room := min(width-len(left)-len(right)-len(" [] "), 40)
	switch {
	case len(left) > width:
		return left[:max(width, 0)]
	case len(left)+1+len(right) > width:
		return left
	case !known || room < 5:
		return left + " " + right
	}
	full := int(share * float64(room))
	return fmt.Sprintf("%s [%s%s] %s", left, strings.Repeat("=", full), strings.Repeat(" ", room-full), right)
}
