package httpapi

import (
	"cmp"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"allocstore/store"
)

// answer writes the result of a wait.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, result *store.WaitResult, as form) error {
	header := w.Header()
	header.Set("X-Nomad-Index", strconv.FormatUint(result.Index, 10))
	if result.Alloc == nil {
		return &refusal{http.StatusNotFound, "alloc not found"}
	}
	if acceptsGzip(r.Header) {
		as |= gzipped
	}
	body, err := h.bodies.get(result.ID, result.Alloc, as)
	if err != nil {
		return err
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Vary", "Accept-Encoding")
	if as&gzipped != 0 {
		header.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(body) // an error means that the client has hung up
	return nil
}

// acceptsGzip reports whether the client accepts gzip: RFC 9110, 12.5.3.
func acceptsGzip(header http.Header) bool {
	accepts := false
	for coding := range elements(header, "Accept-Encoding") {
		name, parameters, _ := mime.ParseMediaType(coding)
		weight, err := strconv.ParseFloat(cmp.Or(parameters["q"], "1"), 64)
		switch wanted := err == nil && weight > 0; name {
		case "gzip":
			return wanted
		case "*":
			accepts = wanted
		}
	}
	return accepts
}

// elements returns the elements of a header that is a list, in one line or several.
func elements(header http.Header, name string) iter.Seq[string] {
	return strings.SplitSeq(strings.Join(header.Values(name), ","), ",")
}
