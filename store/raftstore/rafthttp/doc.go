/*
Package rafthttp serves a node of a cluster over HTTP: its members, its leader, its content as a backup, and writes. The
paths that Nomad has are Nomad's, so that HashiCorp's Go client works with a node. It needs net/http alone.

	mux.Handle("/v1/", rafthttp.New(node, nil))
	mux.Handle("/v1/allocation/", httpapi.New(node.Store(), &httpapi.Options{
		Freshness: rafthttp.Freshness(node, 0), // stale, consistent, X-Nomad-LastContact
	}))

	GET    /v1/status/leader                           the leader's address
	GET    /v1/status/peers                            the addresses of all members
	GET    /v1/operator/raft/configuration             the members
	DELETE /v1/operator/raft/peer?id=ID                removes a member, which may be dead
	PUT    /v1/operator/raft/transfer-leadership?id=ID gives the leadership to a voter; without id to any
	GET    /v1/operator/snapshot                       a backup of the content, with a Digest
	PUT    /v1/operator/snapshot                       replaces the content by that of a backup; on the leader
	GET    /v1/allocstore/status                       the status of each member, as it sees itself
	POST   /v1/allocstore/join                         adds a member
	POST   /v1/allocstore/apply                        applies a batch

[Client] sends the requests that Nomad does not have.

# Writes

The body of apply is Batch.MarshalBinary. The answer is JSON: Index, Unchanged and Unknown of store.Applied. It is sent when
a majority has the batch and this node shows it: status 200; or 202, if the node does not show it in time. A batch that a client has sent is
applied, also if the client hangs up.

An error is JSON with Kind and Error. [Problem] lists the kinds with their statuses. The kind says whether the request may be
repeated.

# Consistency

Reads without stale need a leader, and are 500 "No cluster leader" without one, as with Nomad. A backup is that of the node which is
asked, brought up to date unless stale is given. During an election all requests wait for a leader, up to Options.Hold.

# Security

There is no access control: every client that reaches the handler can read, write and change the members. Serve it on a
loopback address, or behind a proxy that knows its clients. A web page of another origin cannot send requests that change something.
*/
package rafthttp
