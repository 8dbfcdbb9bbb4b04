package httpapi

import (
	"net/http"
	"time"
)

// readTimeout is the time for the headers of a request to arrive, and then for its body.
const readTimeout = 10 * time.Second

// NewServer returns a server for h at the address, with limits for the internet. It does not listen yet.
//
//	headers          must arrive within 10 seconds and be smaller than 64 KiB, else 431
//	a body           must arrive within 10 seconds; the endpoint accepts no body
//	an answer        the client must read each part within 30 seconds
//	idle connection  closed after two minutes
//
// No limit ends a blocked request.
//
// Shutdown of the server waits for blocked requests. To end them, cancel the context that
// [http.Server.BaseContext] returns, or close the store, or give Shutdown a context with a deadline.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           limited(h),
		ReadHeaderTimeout: readTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: writeTimeout}, // a write deadline ends a stream alone
	}
}
