package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// passTo returns what passes requests on to the agent of another region: with all that
// they have, for as long as that takes, and until the client hangs up.
func (h *handler) passTo(region string, to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     h.opts.Transport,
		FlushInterval: -1, // at once
		ErrorLog:      log.New(quiet{}, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				return
			}
			h.noPath(region, err).ServeHTTP(w, r)
		},
	}
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
