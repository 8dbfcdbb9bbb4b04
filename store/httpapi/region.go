package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"allocstore/store"
)

// passTo returns a handler that passes requests on to the agent of another region, with all their
// parameters and headers, until the client hangs up.
func (h *handler) passTo(region string, to *url.URL) http.Handler {
	if err := checkAddress(region, to); err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.refuse(w, r, noPath(region, err)) })
	}
	return &httputil.ReverseProxy{
		Transport:     h.opts.Transport,
		FlushInterval: -1,                         // flush every write
		ErrorLog:      log.New(io.Discard, "", 0), // it logs clients that hang up
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Add("Via", h.via())
			// Add the client to X-Forwarded-For, and keep the headers that proxies before this agent have set.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = values
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			err = noPath(region, err)
			if errors.Is(r.Context().Err(), context.Canceled) {
				err = errEnded
			}
			h.refuse(w, r, err)
		},
	}
}

// via is the entry of this agent in the Via header: RFC 9110, 7.6.3.
func (h *handler) via() string { return "1.1 allocstore-" + url.PathEscape(h.opts.Region) }

// passed reports whether this agent has passed the request on before.
func (h *handler) passed(header http.Header) bool {
	for by := range elements(header, "Via") {
		if strings.TrimSpace(by) == h.via() {
			return true
		}
	}
	return false
}

// The time for the agent of another region to answer. A request that blocks gets passTimeout more than
// the longest wait, which includes up to a sixteenth of jitter.
const (
	passTimeout    = 30 * time.Second
	blockedTimeout = store.LongestMaxQueryTime + store.LongestMaxQueryTime/16 + passTimeout
)

// pass has the handler of another region answer, unless the request has been here before.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, to http.Handler, blocks bool) error {
	if h.passed(r.Header) {
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

// noPath refuses a request for a region that cannot be reached.
func noPath(region string, err error) error {
	return &refusal{http.StatusBadGateway, fmt.Sprintf("region %s cannot be reached: %v", region, err)}
}
