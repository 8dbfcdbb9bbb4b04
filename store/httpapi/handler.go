package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"allocstore/store"
)

// root is the path of the endpoint, before the ID.
const root = "/v1/allocation/"

// A handler answers requests from a store. New adds the deadlines.
type handler struct {
	s       *store.Store
	opts    Options
	regions map[string]http.Handler
	bodies  *bodyCache
	waits   atomic.Int64 // requests that are blocked, or about to block
}

// New returns a handler for GET and HEAD of /v1/allocation/<ID>. A nil opts means the defaults. New
// accepts invalid options, see [Options.Validate]: a region with an invalid address is answered 502,
// and with a negative MaxRequestBytes every request is too large.
//
// The parameters, each at most once; others are ignored, and so is an empty index, wait or region:
//
//	index   an index that the client has seen: block until the allocation changes above it; 0 does not block
//	wait    the longest time to block, such as 60s or 5m; default 5 minutes, at most 10, and up to a sixteenth more
//	region  the region to ask; default the handler's own
//	pretty  any value but 0: indent the JSON, with a newline at the end
//	stale       no value, or a boolean such as true, 1 or F: the answer is that of this node, however old
//	consistent  the same values: see Consistency. Both at once are an error. Without Options.Freshness there is one store,
//	            and neither has an effect
//
// The status codes. Except for 200, the body is one line of text with the reason:
//
//	200  the allocation as it is now
//	400  the ID, a parameter or the region is invalid; or the request has a body that is not empty
//	404  no such allocation, also after a deletion; or no such path
//	405  a method other than GET and HEAD
//	429  too many requests are blocked
//	431  the request is too large
//	500  the allocation cannot be read: its record is damaged; or there is no leader: "No cluster leader"
//	502  the agent of another region cannot be reached, or does not answer in time
//	503  the store is closed, has failed, or is behind the leader; or the server has ended the request's context
//	508  two agents pass a region on to each other
//
// A 200, and the 404 of an allocation, has the header X-Nomad-Index: never 0, and the value for index
// in the next request. It also has X-Nomad-KnownLeader and X-Nomad-LastContact, in milliseconds, of Options.Freshness;
// without it these are true and 0.
//
// The handler may serve any number of requests at once, and in any server: a ReadTimeout or WriteTimeout
// of the server does not end a blocked request, and a client must read each part of an answer within 30
// seconds. In a mux of other handlers its pattern is "/v1/allocation/".
func New(s *store.Store, opts *Options) http.Handler {
	h := &handler{s: s, opts: opts.withDefaults()}
	h.bodies = newBodyCache(h.opts.MaxCacheBytes, h.opts.DisplayMessages)
	h.regions = make(map[string]http.Handler)
	for region, to := range h.opts.Regions {
		h.regions[region] = h.passTo(region, to)
	}
	return limited(h)
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.refuse(w, r, err)
	}
}

// serve answers the request, or returns an error and leaves the answer to refuse.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	id, err := h.check(r)
	if err != nil {
		return err
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	elsewhere := q.region != "" && q.region != h.opts.Region
	to := h.regions[q.region]
	if elsewhere && to == nil {
		return badRequest("No path to region")
	}
	contact := Contact{}
	if !elsewhere {
		if contact, err = h.opts.Freshness(r.Context(), q.consistency); err != nil {
			return err
		}
	}
	blocks := q.MinQueryIndex > 0 && (elsewhere || !h.atOnce(r.Context(), id, q.MinQueryIndex))
	if blocks {
		defer h.waits.Add(-1)
		if h.waits.Add(1) > int64(h.opts.MaxWaits) {
			return &refusal{http.StatusTooManyRequests, "too many requests are blocked"}
		}
	}
	if blocks || elsewhere {
		removeDeadline(w)
	}
	if elsewhere {
		return h.pass(w, r, to, q.MinQueryIndex > 0)
	}
	result, err := h.s.Wait(r.Context(), id, q.QueryOptions)
	if err == nil && blocks {
		contact, err = h.opts.Freshness(r.Context(), Stale) // as of the answer
	}
	if err != nil {
		return err
	}
	contact.SetHeader(w.Header())
	return h.answer(w, r, &result, q.as)
}

// atOnce reports whether a wait for a change above that index returns at once. If it does now, it also
// does later, since indexes only grow.
func (h *handler) atOnce(ctx context.Context, id string, above uint64) bool {
	now, err := h.s.Wait(ctx, id, store.QueryOptions{})
	return err != nil || now.Outcome != store.NotFound && now.Index > above
}

// check checks everything except the parameters, and returns the ID.
func (h *handler) check(r *http.Request) (id string, err error) {
	if size := sizeOf(r); size > h.opts.MaxRequestBytes {
		return "", &refusal{http.StatusRequestHeaderFieldsTooLarge,
			fmt.Sprintf("request of %d bytes: at most %d are accepted", size, h.opts.MaxRequestBytes)}
	}
	id, ours := strings.CutPrefix(r.URL.Path, root)
	switch {
	case !ours || strings.Contains(id, "/"):
		return "", &refusal{http.StatusNotFound, "no such path"}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "", &refusal{http.StatusMethodNotAllowed, "method " + r.Method + ": want GET or HEAD"}
	case id == "":
		return "", badRequest("no allocation ID")
	}
	return id, checkBody(r)
}

// checkBody returns a refusal if the request has a body with content, or one that does not arrive in time.
// It reads the end of an empty body, since an unread body would keep the server from noticing that the
// client hangs up.
func checkBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength < 0 { // chunked, or HTTP/2 with the end in a frame of its own
		switch n, err := io.ReadFull(r.Body, make([]byte, 1)); {
		case errors.Is(err, io.EOF):
			return nil
		case n == 0:
			return badRequest("body of a %s request: %v", r.Method, err)
		}
	}
	return badRequest("unexpected body of a %s request", r.Method)
}

// sizeOf estimates the size of the request without its body.
func sizeOf(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		size += len(values)*(len(name)+len(": \r\n")) + len(strings.Join(values, ""))
	}
	return size
}

// A refusal is an answer other than 200.
type refusal struct {
	status int
	reason string
}

// Error returns the reason.
func (r *refusal) Error() string { return r.reason }

// errEnded refuses a request whose context has ended. It is not logged, since nothing is wrong.
var errEnded = &refusal{http.StatusServiceUnavailable, "the request was ended"}

// badRequest returns a refusal with status 400.
func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers with the reason. An ended context may mean that the client has hung up or that the
// server ends the request. The client may still be there, and an empty 200 would mislead it: so it
// gets an answer in both cases.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
	case errors.Is(err, ErrNoLeader):
		no = errNoLeader
	case errors.Is(err, ErrBehind):
		no = errBehind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		no = errEnded
	case errors.Is(err, store.ErrInvalidID):
		no = &refusal{http.StatusBadRequest, err.Error()}
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrDetached):
		no = &refusal{http.StatusServiceUnavailable, err.Error()}
	default:
		no = &refusal{http.StatusInternalServerError, err.Error()}
	}
	switch no.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	quiet := no == errEnded || no == errNoLeader || no == errBehind
	if no.status >= http.StatusInternalServerError && !quiet {
		h.opts.Logger.ErrorContext(r.Context(), "allocstore: request failed", "path", r.URL.Path, "status", no.status, "error", err)
	}
	http.Error(w, no.reason, no.status)
}
