package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"time"

	"allocstore/store"
)

// passTo returns what passes requests on to the agent of another region: with all that
// they have, until the client hangs up.
func (h *handler) passTo(region string, to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     h.opts.Transport,
		FlushInterval: -1, // at once
		ErrorLog:      log.New(quiet{}, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Header.Add("Via", h.via())
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(r.Context().Err(), context.Canceled) {
				h.refuse(w, r, ended)
				return
			}
			h.noPath(region, err).ServeHTTP(w, r)
		},
	}
}

// via names this agent to those that requests are passed on to: RFC 9110, 7.6.3.
func (h *handler) via() string { return "1.1 allocstore-" + url.PathEscape(h.opts.Region) }

// How long the agent of another region may take to answer: a moment, or the longest time
// that a request may be blocked, with its jitter, and a moment.
const (
	passTimeout    = 30 * time.Second
	blockedTimeout = store.LongestMaxQueryTime + store.LongestMaxQueryTime/16 + passTimeout
)

// pass has to answer, unless the request has been here before.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, to http.Handler, blocks bool) error {
	if slices.Contains(r.Header.Values("Via"), h.via()) {
		return &refusal{http.StatusLoopDetected, "the request was passed on, and came back: regions are at each other's addresses"}
	}
	limit := passTimeout
	if blocks {
		limit = blockedTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	to.ServeHTTP(w, r.WithContext(ctx))
	return nil
}

// noPath answers that the region cannot be reached.
func (h *handler) noPath(region string, err error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, &refusal{http.StatusBadGateway, fmt.Sprintf("region %s cannot be reached: %v", region, err)})
	})
}

// quiet takes what the proxy logs of clients that hang up in the middle of an answer.
type quiet struct{}

// Write implements io.Writer.
func (quiet) Write(b []byte) (int, error) { return len(b), nil }
