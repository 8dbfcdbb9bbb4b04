package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a bar of n items or bytes; -1 means that n is unknown. It is invisible unless the
// error output is a terminal.
func (a *app) progress(title string, n int64, bytes bool) *progressbar.ProgressBar {
	return progressbar.NewOptions64(n,
		progressbar.OptionSetDescription(title),
		progressbar.OptionSetWriter(a.err),
		progressbar.OptionSetVisibility(isTerminal(a.err)),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}
