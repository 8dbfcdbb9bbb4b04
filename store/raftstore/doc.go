/*
Package raftstore runs a store on several machines.
*/
package raftstore
