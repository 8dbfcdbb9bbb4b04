package httpapi

import (
	"net/http"
	"time"
)

// writeTimeout is how long a client may take to take a part of an answer, once there is one.
const writeTimeout = 30 * time.Second

// limited has whatever h answers be read in time, and bodies arrive in time.
func limited(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := hurry(w)
		defer answer.end()
		answer.limitBody(r)
		h.ServeHTTP(answer, r)
	})
}

// A hurried response is one each part of which has to be read in time. Until there is a
// part nothing hurries: a request may be blocked for long, and a server of HTTP/2 ends a
// stream whose time is up.
type hurried struct {
	http.ResponseWriter
	c       *http.ResponseController
	written bool
}

func hurry(w http.ResponseWriter) *hurried {
	return &hurried{ResponseWriter: w, c: http.NewResponseController(w)}
}

// WriteHeader implements http.ResponseWriter. An answer may have no more than a header.
func (w *hurried) WriteHeader(status int) {
	w.start()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *hurried) Write(b []byte) (int, error) {
	w.start()
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *hurried) Flush() {
	w.start()
	_ = w.c.Flush()
}

// Unwrap is for http.ResponseController.
func (w *hurried) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// start begins the time of the next part. A response that has no deadline goes without.
func (w *hurried) start() {
	w.written = true
	_ = w.c.SetWriteDeadline(time.Now().Add(writeTimeout))
}

// end sends what was written, in time, and leaves no deadline to the connection's next
// request.
func (w *hurried) end() {
	if w.written {
		_ = w.c.Flush()
		_ = w.c.SetWriteDeadline(time.Time{})
	}
}

// limitBody bounds how long the body of a request may take, if it has one: the server reads
// what was not read of it before it answers.
func (w *hurried) limitBody(r *http.Request) {
	if r.ContentLength != 0 {
		_ = w.c.SetReadDeadline(time.Now().Add(readTimeout))
	}
}
