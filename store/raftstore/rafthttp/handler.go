package rafthttp

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
)

// ownPaths begins the paths that Nomad does not have.
const ownPaths = "/v1/allocstore/"

// Defaults of Options.
const (
	DefaultMaxBatchBytes    = 64 << 20
	DefaultMaxSnapshotBytes = 64 << 30
	DefaultHold             = 5 * time.Second
	DefaultTimeout          = 30 * time.Second
)

// Options are the settings of a handler. A nil *Options and a zero field mean the default.
type Options struct {
	// MaxBatchBytes bounds the body of apply, which is held in memory. A larger one is 413. Default 64 MiB, which is all
	// that the log takes.
	MaxBatchBytes int64

	// MaxSnapshotBytes bounds the backup of a restore, which needs three times as much of the disk. Default 64 GiB.
	MaxSnapshotBytes int64

	// Hold is the time that a request waits for a leader, as during an election. Default 5 s.
	Hold time.Duration

	// Timeout bounds a write and a change of the members. Its outcome is unknown then. Default 30 s.
	Timeout time.Duration

	// Logger logs the answers that are not the client's fault: status 500 and above. Nil means [slog.Default].
	Logger *slog.Logger
}

func (o *Options) withDefaults() Options {
	c := *cmp.Or(o, new(Options))
	c.MaxBatchBytes = cmp.Or(c.MaxBatchBytes, DefaultMaxBatchBytes)
	c.MaxSnapshotBytes = cmp.Or(c.MaxSnapshotBytes, DefaultMaxSnapshotBytes)
	c.Hold = cmp.Or(c.Hold, DefaultHold)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}

// A handler answers requests from a node.
type handler struct {
	node  *raftstore.Node
	opts  Options
	fresh func(context.Context, httpapi.Consistency) (httpapi.Contact, error)
}

// New returns the handler of the paths in the package's documentation. It may serve any number of requests at once. In a
// mux its pattern is "/v1/", beside those of httpapi. A nil opts means the defaults.
func New(n *raftstore.Node, opts *Options) http.Handler {
	h := &handler{node: n, opts: opts.withDefaults()}
	h.fresh = Freshness(n, h.opts.Hold)
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/status/leader":                      h.leader,
		"GET /v1/status/peers":                       h.peers,
		"GET /v1/operator/raft/configuration":        h.configuration,
		"DELETE /v1/operator/raft/peer":              h.removePeer,
		"PUT /v1/operator/raft/transfer-leadership":  h.transferLeadership,
		"POST /v1/operator/raft/transfer-leadership": h.transferLeadership,
		"GET /v1/operator/snapshot":                  h.save,
		"PUT /v1/operator/snapshot":                  h.restore,
		"POST /v1/operator/snapshot":                 h.restore,
		"GET " + statusPath:                          h.status,
		"POST " + joinPath:                           h.join,
		"POST " + applyPath:                          h.apply,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				h.fail(w, r, err)
			}
		})
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// parameters returns the parameters, each of which may be given once.
func parameters(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(KindInvalid, "parameters: %v", err)
	}
	for name, given := range values {
		if len(given) > 1 {
			return nil, problem(KindInvalid, "%.64q is given %d times", name, len(given))
		}
	}
	return values, nil
}

// current brings the store up to date as the request asks, and sets the headers of a read.
func (h *handler) current(w http.ResponseWriter, r *http.Request) error {
	c, err := httpapi.ConsistencyOf(r)
	if err != nil {
		return problem(KindInvalid, "%v", err)
	}
	contact, err := h.fresh(r.Context(), c)
	if err != nil {
		return err
	}
	contact.SetHeader(w.Header())
	h.setIndex(w)
	return nil
}

// setIndex sets X-Nomad-Index to the store's last index.
func (h *handler) setIndex(w http.ResponseWriter) {
	w.Header().Set("X-Nomad-Index", strconv.FormatUint(h.node.Store().LastIndex(), 10))
}

// bodyPart is the time for a client to send each part of a body.
const bodyPart = 30 * time.Second

// A steadyBody is a body of at most limit bytes that may take any time, as long as its parts arrive.
type steadyBody struct {
	io.ReadCloser
	*http.ResponseController
}

func newBody(w http.ResponseWriter, r *http.Request, limit int64) io.ReadCloser {
	return &steadyBody{http.MaxBytesReader(w, r.Body, limit), http.NewResponseController(w)}
}

// Read implements io.Reader.
func (b *steadyBody) Read(p []byte) (int, error) {
	_ = b.SetReadDeadline(time.Now().Add(bodyPart))
	return b.ReadCloser.Read(p)
}
