package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"allocstore/store"
)

// root is the path of the endpoint, before the ID.
const root = "/v1/allocation/"

// A handler answers for a store. New returns one that is limited.
type handler struct {
	s       *store.Store
	opts    Options
	regions map[string]http.Handler
	bodies  *bodies
	waits   atomic.Int64 // requests that are blocked, or may be in a moment
}

// New returns a handler of GET and HEAD /v1/allocation/<ID>. A nil opts means the
// defaults. A region whose address cannot be one is answered 502, and a negative
// MaxRequestBytes has everything be too large: see [Options.Validate].
//
// The parameters are:
//
//	index   an index that the client has seen: block until the allocation changes above it; 0 does not
//	wait    how long at most, such as 60s or 5m; default 5 minutes, at most 10, and up to a sixteenth more
//	region  whose allocation; default the handler's own
//	pretty  any value but 0: indented, and with a newline at the end
//	stale   without a value, true or false: taken, and changes nothing, since there is one store
//
// Others are ignored. Each may be given once.
//
// Answers, which have the reason as their text unless they are 200:
//
//	200  the allocation, as it is now
//	400  the ID, a parameter or the region is not one; or a body, which GET does not have
//	404  there is no such allocation, or it was deleted meanwhile; or no such path
//	405  another method
//	429  too many requests are blocked
//	431  the request is too large
//	500  the allocation cannot be read: its record is damaged
//	502  the agent of another region cannot be reached, or does not answer in time
//	503  the store is closed, or has failed; or the server has ended the request's context
//	508  two agents pass a region on to each other
//
// A 200, and the 404 of an allocation, has X-Nomad-Index, never 0, to be given back as the next
// index; X-Nomad-KnownLeader, true; and X-Nomad-LastContact, 0 milliseconds.
//
// The handler may be used by any number of requests at once.
func New(s *store.Store, opts *Options) http.Handler {
	h := &handler{s: s, opts: opts.withDefaults()}
	h.bodies = newBodies(h.opts.MaxCacheBytes, h.opts.DisplayMessages)
	h.regions = make(map[string]http.Handler)
	for region, to := range h.opts.Regions {
		h.regions[region] = h.passTo(region, to)
		if err := checkAddress(region, to); err != nil {
			h.regions[region] = h.noPath(region, err)
		}
	}
	return limited(h)
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.refuse(w, r, err)
	}
}

// serve answers the request, or returns why it does not.
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
		return bad("No path to region")
	}
	if q.MinQueryIndex > 0 && (elsewhere || !h.atOnce(r.Context(), id, q.MinQueryIndex)) {
		if h.waits.Add(1) > int64(h.opts.MaxWaits) {
			h.waits.Add(-1)
			return &refusal{http.StatusTooManyRequests, "too many requests are blocked"}
		}
		defer h.waits.Add(-1)
	}
	if elsewhere {
		return h.pass(w, r, to, q.MinQueryIndex > 0)
	}
	result, err := h.s.Wait(r.Context(), id, q.QueryOptions)
	if err != nil {
		return err
	}
	return h.answer(w, r, &result, q.as)
}

// atOnce reports whether a wait for a change above that index ends at once. What has
// changed above it stays so.
func (h *handler) atOnce(ctx context.Context, id string, above uint64) bool {
	now, err := h.s.Wait(ctx, id, store.QueryOptions{})
	return err != nil || now.Outcome != store.NotFound && now.Index > above
}

// check looks at everything but the parameters, and returns the ID.
func (h *handler) check(r *http.Request) (id string, err error) {
	if size := sizeOf(r); size > h.opts.MaxRequestBytes {
		return "", &refusal{http.StatusRequestHeaderFieldsTooLarge,
			fmt.Sprintf("request of %d bytes: at most %d are taken", size, h.opts.MaxRequestBytes)}
	}
	id, ours := strings.CutPrefix(r.URL.Path, root)
	switch {
	case !ours || strings.Contains(id, "/"):
		return "", &refusal{http.StatusNotFound, "no such path"}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "", &refusal{http.StatusMethodNotAllowed, "method " + r.Method + ": want GET or HEAD"}
	case r.ContentLength != 0:
		// Also because the server does not notice that a client hangs up as long as its
		// body has not been read.
		return "", bad("a body: %s has none", r.Method)
	case id == "":
		return "", bad("no allocation ID")
	}
	return id, nil
}

// sizeOf is about how long the request is, its body aside.
func sizeOf(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	return size
}

// A refusal is an answer that is not 200.
type refusal struct {
	status int
	reason string
}

// Error returns the reason.
func (r *refusal) Error() string { return r.reason }

// ended is the refusal of a request whose context has ended, which is nobody's fault.
var ended = &refusal{http.StatusServiceUnavailable, "the request was ended"}

// bad is the refusal of a request that is not one.
func bad(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers with the reason. Whether the client has hung up or the server ends the
// request is not known: who is still there is told, and not given an empty 200.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		no = ended
	case errors.Is(err, store.ErrInvalidID):
		no = &refusal{http.StatusBadRequest, err.Error()}
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrFailed):
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
	if no.status >= http.StatusInternalServerError && no != ended {
		h.opts.Logger.ErrorContext(r.Context(), "allocstore: request failed", "path", r.URL.Path, "status", no.status, "error", err)
	}
	http.Error(w, no.reason, no.status)
}
