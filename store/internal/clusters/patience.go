package main

import "time"

// patience bounds every step that has to end by itself.
const patience = 60 * time.Second

// longestLook bounds the time that counts between two looks. So a machine that freezes all processes for a while is not
// taken for a cluster that does nothing.
const longestLook = time.Second

// A waiting is a wait that ends after a time in which this process has run.
type waiting struct {
	left time.Duration
	last time.Time
}

func wait(d time.Duration) *waiting { return &waiting{d, time.Now()} }

// more reports whether there is time left for one more look.
func (w *waiting) more() bool {
	now := time.Now()
	w.left -= min(now.Sub(w.last), longestLook)
	w.last = now
	return w.left > 0
}

// until waits until a channel is closed. It reports false if that takes longer than d.
func until(closed <-chan struct{}, d time.Duration) bool {
	for w := wait(d); w.more(); {
		select {
		case <-closed:
			return true
		case <-time.After(longestLook / 10):
		}
	}
	return false
}
