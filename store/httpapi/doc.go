/*
Package httpapi serves a store's allocations as Nomad serves its own: GET
/v1/allocation/<ID>, with blocking queries, for clients that nobody here wrote.

	http.ListenAndServe(":4646", httpapi.New(s, nil))

What it answers is the endpoint's documentation, down to the headers; New says
how each parameter is read. [NewServer] makes a server whose limits are right for it: one that
ends whoever sends headers slowly, and does not end whoever waits.

# Consistency

An answer is one read of the store: the allocation and X-Nomad-Index belong together. A
client that gives the index back misses nothing, and does not spin; see
[store.Store.Wait].

# Concurrency

Every request has a goroutine, which is the server's, and a blocked one is a waiter of the
store's and nothing else. It ends when its client hangs up.

An allocation that has not changed is not encoded again: the latest answers are kept,
within Options.MaxCacheBytes.

# Caveats

There is no access control and no TLS: put what you use before it. Everything else
that Nomad serves, lists included, is not here.

Net/http does not notice that a client of HTTP/1 hangs up if that has sent more, such as its
next request, while it was blocked. Its wait then goes on until it would have ended anyway,
and counts towards Options.MaxWaits meanwhile.
*/
package httpapi
