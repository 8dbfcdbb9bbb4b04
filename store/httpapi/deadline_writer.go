package httpapi

import (
	"net/http"
	"time"
)

// writeTimeout is the time for a client to read each part of an answer.
const writeTimeout = 30 * time.Second

// limited returns h with deadlines: for the client to read the answer, and to send a body.
func limited(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dw := &deadlineWriter{ResponseWriter: w, ResponseController: http.NewResponseController(w)}
		defer dw.finish()
		if r.ContentLength != 0 { // the server reads the rest of a body before it sends the answer
			_ = dw.SetReadDeadline(time.Now().Add(readTimeout))
		}
		h.ServeHTTP(dw, r)
	})
}

// removeDeadline lets a request block for longer than the server's WriteTimeout, after which HTTP/2 would
// end its stream. A ReadTimeout needs no care: net/http removes that deadline when it has the request.
func removeDeadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// A deadlineWriter sets a new write deadline for each part of a response, in place of the server's. A
// response without support for deadlines has no limit.
type deadlineWriter struct {
	http.ResponseWriter
	*http.ResponseController
	written bool
}

// WriteHeader implements http.ResponseWriter. The header may be the whole response.
func (w *deadlineWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *deadlineWriter) Write(b []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (w *deadlineWriter) Flush() {
	w.extend()
	_ = w.ResponseController.Flush()
}

// extend moves the deadline for the next part.
func (w *deadlineWriter) extend() {
	w.written = true
	_ = w.SetWriteDeadline(time.Now().Add(writeTimeout))
}

// finish sends the rest under the last deadline, and then removes the deadline: the next request
// may use the same connection.
func (w *deadlineWriter) finish() {
	if w.written {
		_ = w.ResponseController.Flush()
		_ = w.SetWriteDeadline(time.Time{})
	}
}
