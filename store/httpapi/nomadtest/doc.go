/*
Package nomadtest has HashiCorp's own Go client for Nomad read from the endpoint of
package httpapi: what a client that nobody here wrote sees. It is a module of its own, so
that the client is no dependency of the store's.
*/
package nomadtest
