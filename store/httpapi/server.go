package httpapi

import (
	"net/http"
	"time"
)

// readTimeout is how long the headers of a request may take to arrive, and then its body.
const readTimeout = 10 * time.Second

// NewServer returns a server of the handler at that address, with limits for the internet:
// headers have to arrive within 10 seconds and be smaller than 64 KiB, which is 431
// otherwise; so have bodies, of which the endpoint takes none; each part of an answer has to
// be read within 30 seconds; an idle connection is closed after two minutes. None of them
// bounds how long a request may be blocked. It is not listening yet.
//
// Its Shutdown waits for blocked requests: have it end their context, which
// [http.Server.BaseContext] makes, or close the store, or give it a context that ends.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           limited(h),
		ReadHeaderTimeout: readTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
