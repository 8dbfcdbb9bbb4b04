package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a bar of n things, or bytes; -1 is an n that is not known. Nobody sees
// it unless the error output is a terminal.
func (a *app) progress(what string, n int64, bytes bool) *progressbar.ProgressBar {
	return progressbar.NewOptions64(n,
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(a.err),
		progressbar.OptionSetVisibility(isTerminal(a.err)),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}
