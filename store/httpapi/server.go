package httpapi

import (
	"net/http"
	"time"
)

// NewServer returns a server of the handler at that address, with limits for the internet:
// headers have to arrive within 10 seconds and be smaller than 64 KiB, which is 431
// otherwise; an idle connection is closed after two minutes. Neither bounds how long a request
// may be blocked. It is not listening yet.
//
// Its Shutdown waits for blocked requests: have it close the store, or give it a context that
// ends.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
