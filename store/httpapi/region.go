package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
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
			keepForwarded(r)
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

// keepForwarded says for whom the request is passed on, beside what the proxies before have
// said of that.
func keepForwarded(r *httputil.ProxyRequest) {
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
	for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said, ok := r.In.Header[name]; ok {
			r.Out.Header[name] = said
		}
	}
}

// via names this agent to those that requests are passed on to: RFC 9110, 7.6.3.
func (h *handler) via() string { return "1.1 allocstore-" + url.PathEscape(h.opts.Region) }

// passed reports whether this agent has passed the request on before. Proxies may have
// written several agents in one line.
func (h *handler) passed(header http.Header) bool {
	for _, line := range header.Values("Via") {
		for by := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(by) == h.via() {
				return true
			}
		}
	}
	return false
}

// How long the agent of another region may take to answer: a moment, or, if the request
// blocks, a moment more than the longest wait, to which a sixteenth may have been added.
const (
	passTimeout    = 30 * time.Second
	blockedTimeout = store.LongestMaxQueryTime + store.LongestMaxQueryTime/16 + passTimeout
)

// pass has to answer, unless the request has been here before.
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
