/*
Package nomadtest reads from package httpapi with HashiCorp's own Go client for Nomad. It is a module of
its own, so that the store does not depend on that client.

The tests of clusters build allocctl, and run three processes of it, which they kill:

	go -C store/httpapi/nomadtest test -run Cluster -v
*/
package nomadtest
