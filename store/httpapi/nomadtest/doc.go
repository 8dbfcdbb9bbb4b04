/*
Package nomadtest reads from package httpapi with HashiCorp's own Go client for Nomad. It is a module of
its own, so that the store does not depend on that client.
*/
package nomadtest
