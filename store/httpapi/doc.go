/*
Package httpapi serves a store's allocations as Nomad serves its own: GET /v1/allocation/<ID>, with
blocking queries. HashiCorp's Go client and curl can read from it as they are.

	go http.ListenAndServe(":4646", httpapi.New(s, nil))
	mux.Handle("/v1/allocation/", httpapi.New(s, nil)) // beside other handlers

	A=localhost:4646/v1/allocation/203266e5-e0d6-9486-5e05-397ed2b184af
	curl -i "$A"                    # the allocation, and X-Nomad-Index
	curl "$A?pretty"                # indented
	curl -i "$A?index=2&wait=60s"   # blocks until the allocation changes above index 2, or for a minute
	curl "$A?region=global&stale"   # passed on, unless it is the agent's own region; see Options.Regions

[New] lists the parameters and the status codes. An error is one line of text:

	$ curl "${A%b184af}b18400"
	alloc not found
	$ curl "$A?wait=60"
	wait "60": want a duration such as 60s or 5m
	$ curl "$A?region=mars"
	No path to region

[NewServer] returns a server with limits for slow and hostile clients. A [Client] reads from the
endpoint as from a store.

# Consistency

An answer is one read of the store: the allocation and X-Nomad-Index belong together. A client that
sends the index back misses no change, and does not spin; see [store.Store.Wait].

A store that is one of several replicas has Options.Freshness. Then any node answers as the leader would: by default under
the leader's lease, with consistent after a majority was asked, and with stale from its own store alone. An answer
says how old it may be: X-Nomad-LastContact is the time since the node heard of a leader. Package
store/raftstore/rafthttp has that function for a cluster.

# Concurrency

A request uses the server's goroutine and no other. A blocked request is one waiter of the store, and
ends when its client hangs up. Over HTTP/1.1 it takes some 25 kB, nearly all of them of net/http.

The latest answers stay encoded, within Options.MaxCacheBytes.

# Differences from Nomad

Where an item does not mention Nomad, the documentation of Nomad's endpoint does not say.

  - A blocked request ends with a change, a placement or a deletion of its allocation, with a restore of
    the store, or when its time is over. The store compares the content, and wakes by ID. With Nomad
    also a write without a change may end it.
  - X-Nomad-Index of an absent allocation is the index of its deletion, or the store's last index; never
    0. Sent back as index, it misses no change and never spins.
  - A follower answers all requests from its own store, after it has asked the leader for the index to show. With Nomad
    it passes those without stale on to the leader. The answers are the same; a follower that is far behind is 503.
  - A request without stale is 500 "No cluster leader" if there is no leader, as with Nomad.
  - A blocked request has X-Nomad-LastContact as of its answer. The store is brought up to date when the request begins; a leader
    that is lost while it is blocked does not end it.
  - The parameters stale and consistent may have the value false, which is the same as no parameter. Without
    Options.Freshness they have no effect, since there is one store.
  - An unknown region is 400 "No path to region", since the request is wrong. With Nomad it is an error.
  - A region that does not answer is 502, after 30 seconds if it has accepted the request. Two regions
    that pass a request on to each other are 508; the Via header shows the loop. So no request is held
    forever.
  - A blocked request is 503 if the server ends it. An empty 200 could be mistaken for an allocation.
  - A hang-up may go unnoticed: net/http does not see it if a client of HTTP/1 has sent more while its
    request was blocked, such as the next one. The wait then goes on until its time is over, and counts
    for Options.MaxWaits.
  - A malformed ID, index, wait, stale or query, a parameter that is given twice, and a body with content
    are 400 with the reason: bad input is not a failure of the server.
  - The number of blocked requests is bounded by Options.MaxWaits, 429, and the size of a request by
    Options.MaxRequestBytes, 431. So is the cost of a hostile client. Nomad's endpoint has no limits.
  - DisplayMessage of events needs Options.DisplayMessages: it is computed, and not in the documented
    sample. Newer versions of Nomad have it.
  - Durations in JSON are 10000000000 where Nomad has 1e+10: the same number, in the form that every
    parser accepts as an integer.
  - Fields of later versions of Nomad, ACL tokens and namespaces are ignored, since the documented
    endpoint has none of them.

# Caveats

There is no access control and no TLS: put a proxy with both in front. Other endpoints of Nomad, such
as lists, are absent.

A server of your own for HTTP/2 needs the WriteByteTimeout of [NewServer]: net/http does not end the
handler of a client that reads nothing at all from its connection.
*/
package httpapi
