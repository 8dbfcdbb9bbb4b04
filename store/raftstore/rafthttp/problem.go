package rafthttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/raft"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
)

// Kinds of problems, with their statuses. After KindNotLeader and KindUnavailable nothing has happened, and the request may be
// repeated, here or on another node. After KindUnknown it may have happened.
const (
	KindConflict    = "conflict"    // 409: a condition of the batch does not hold
	KindInvalid     = "invalid"     // 400: the request or the batch is wrong
	KindTooLarge    = "too_large"   // 413
	KindNotFound    = "not_found"   // 404: no such member
	KindMember      = "member"      // 409: the ID or the address belongs to a member already
	KindUnreachable = "unreachable" // 502: the node that wants to join does not answer
	KindNotLeader   = "not_leader"  // 503: there is no leader, or it cannot be reached
	KindUnavailable = "unavailable" // 503: the node has halted, or is closed
	KindUnknown     = "unknown"     // 504: the outcome is unknown
	KindFailed      = "failed"      // 500
)

var statuses = map[string]int{
	KindConflict: http.StatusConflict, KindInvalid: http.StatusBadRequest, KindTooLarge: http.StatusRequestEntityTooLarge,
	KindNotFound: http.StatusNotFound, KindMember: http.StatusConflict, KindNotLeader: http.StatusServiceUnavailable,
	KindUnreachable: http.StatusBadGateway, KindUnavailable: http.StatusServiceUnavailable, KindUnknown: http.StatusGatewayTimeout, KindFailed: http.StatusInternalServerError,
}

// A Problem is an error as an answer.
type Problem struct {
	Kind   string
	Text   string `json:"Error"`
	Status int    `json:"-"`
}

// Error returns the text.
func (p *Problem) Error() string { return p.Text }

// Is says which errors of the packages store and raftstore have this kind.
func (p *Problem) Is(target error) bool {
	switch target {
	case store.ErrConflict:
		return p.Kind == KindConflict
	case store.ErrInvalid:
		return p.Kind == KindInvalid
	case store.ErrTooLarge:
		return p.Kind == KindTooLarge
	case raftstore.ErrNotLeader:
		return p.Kind == KindNotLeader
	case raftstore.ErrOutcomeUnknown:
		return p.Kind == KindUnknown
	}
	return false
}

// problem returns a problem of a kind.
func problem(kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Text: fmt.Sprintf(format, args...), Status: statuses[kind]}
}

// kinds are the kinds of errors, from the first that matches. ErrOutcomeUnknown comes first: it may wrap another one.
var kinds = []struct {
	kind string
	errs []error
}{
	{KindUnknown, []error{raftstore.ErrOutcomeUnknown}},
	{KindUnavailable, []error{raftstore.ErrHalted, store.ErrClosed, store.ErrFailed, httpapi.ErrBehind}},
	{KindNotLeader, []error{raftstore.ErrNotLeader, httpapi.ErrNoLeader, raft.ErrLeadershipTransferInProgress}},
	{KindConflict, []error{store.ErrConflict}},
	{KindTooLarge, []error{store.ErrTooLarge}},
	{KindInvalid, []error{store.ErrInvalid, store.ErrInvalidID, store.ErrNoJob, store.ErrFormatVersion, store.ErrCorrupt, schema.ErrMalformed}},
	{KindUnknown, []error{context.DeadlineExceeded, context.Canceled}},
}

// problemOf returns an error as a problem.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(KindTooLarge, "a body of more than %d bytes", large.Limit)
	}
	for _, k := range kinds {
		for _, target := range k.errs {
			if errors.Is(err, target) {
				return problem(k.kind, "%v", err)
			}
		}
	}
	return problem(KindFailed, "%v", err)
}

// fail answers with an error: a line of text on the paths of Nomad, and JSON on the others.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	own := strings.HasPrefix(r.URL.Path, ownPaths)
	if !own && p.Kind == KindNotLeader {
		p = &Problem{p.Kind, "No cluster leader", http.StatusInternalServerError}
	}
	if p.Status >= http.StatusInternalServerError && p.Kind != KindNotLeader {
		h.opts.Logger.ErrorContext(r.Context(), "allocstore: request failed", "path", r.URL.Path, "status", p.Status, "error", err)
	}
	if p.Kind == KindNotLeader {
		w.Header().Set("Retry-After", "1")
	}
	if !own {
		http.Error(w, p.Text, p.Status)
		return
	}
	writeJSON(w, p.Status, p)
}

// writeJSON answers with JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the client has hung up
}
