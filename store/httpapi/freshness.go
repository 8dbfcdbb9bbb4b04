package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Consistency says how fresh the answer to a request must be. The parameters stale and consistent choose it.
type Consistency int

const (
	// Default answers show every write that was acknowledged before the request, as long as the clocks of the nodes
	// run at about the same speed and no process is paused.
	Default Consistency = iota

	// Consistent answers show every write that was acknowledged before the request.
	Consistent

	// Stale answers show the store of the node that answers, however old that is, also without a leader.
	Stale
)

// A Contact says what a node knows of the leader of its cluster.
type Contact struct {
	// LastContact is the time since the node last heard of a leader: 0 on the leader, and below 0 if it has not
	// heard of any since it started.
	LastContact time.Duration

	// KnownLeader says whether the node knows a leader.
	KnownLeader bool
}

// ErrNoLeader: a request that is not Stale needs a leader, and the node cannot reach one. It is answered 500 "No cluster
// leader", as by Nomad. Options.Freshness returns it.
var ErrNoLeader = errors.New("no cluster leader")

// ErrBehind: a request that is not Stale needs a write that the node does not have yet, as after a restart. It is
// answered 503. Options.Freshness returns it.
var ErrBehind = errors.New("this node is behind the leader")

// The answers. They are not logged: during an election there is one for each request.
var (
	errNoLeader = &refusal{http.StatusInternalServerError, "No cluster leader"}
	errBehind   = &refusal{http.StatusServiceUnavailable, "this node is behind the leader: ask another one, or for stale"}
)

// alone is the Freshness of a store that is no replica.
func alone(context.Context, Consistency) (Contact, error) { return Contact{KnownLeader: true}, nil }

// SetHeader sets X-Nomad-LastContact, in milliseconds, and X-Nomad-KnownLeader. A node that has not heard of any leader
// has a LastContact of 292 years, the longest time.Duration: a client that bounds it refuses the answer.
func (c Contact) SetHeader(header http.Header) {
	if c.LastContact < 0 {
		c.LastContact = math.MaxInt64
	}
	header.Set("X-Nomad-KnownLeader", strconv.FormatBool(c.KnownLeader))
	header.Set("X-Nomad-LastContact", strconv.FormatInt(c.LastContact.Milliseconds(), 10))
}

// ConsistencyOf returns the consistency that the parameters of a request ask for. An error is for the client: status 400.
func ConsistencyOf(r *http.Request) (Consistency, error) {
	q, err := parseQuery(r.URL.RawQuery)
	return q.consistency, err
}
