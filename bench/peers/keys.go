package main

import (
	"sync"
	"unsafe"

	"allocstore/schema"
)

// An ordered key-value store keeps the scheduler's part and the client's part of an
// allocation under separate keys, since they change separately, and each job once.
// allocstore does the same.
const (
	schedulerPart = 's'
	clientPart    = 'c'
)

// partKey appends the key of one part of an allocation: the 16 bytes of its ID, and the part.
func partKey(dst []byte, id string, part byte) ([]byte, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil, err
	}
	return append(append(dst, parsed[:]...), part), nil
}

// jobKey returns the key of a job. It is longer than any partKey, so they differ.
func jobKey(j *schema.Job) []byte { return []byte("jobs, each kept once/" + j.ID) }

// pair holds a key and its value; its memory is reused.
type pair struct {
	key, value []byte
}

var pairs = sync.Pool{New: func() any { return new(pair) }}

// encodeClient sets p to the client's part of a.
func (p *pair) encodeClient(a *schema.Allocation) (err error) {
	p.key, err = partKey(p.key[:0], a.ID, clientPart)
	p.value = codec.AppendClient(p.value[:0], a)
	return err
}

// encodeScheduler sets p to the scheduler's part of a.
func (p *pair) encodeScheduler(a *schema.Allocation) (err error) {
	p.key, err = partKey(p.key[:0], a.ID, schedulerPart)
	p.value = codec.AppendScheduler(p.value[:0], a)
	return err
}

// putBatch writes both parts of each allocation, and each job once, by calls of put.
// put must not keep its arguments.
func putBatch(batch []*schema.Allocation, put func(key, value []byte) error) error {
	var p pair
	var job *schema.Job
	for _, a := range batch {
		if a.Job != job {
			job = a.Job
			if err := put(jobKey(job), codec.AppendJob(nil, job)); err != nil {
				return err
			}
		}
		for _, encode := range []func(*schema.Allocation) error{p.encodeScheduler, p.encodeClient} {
			if err := encode(a); err != nil {
				return err
			}
			if err := put(p.key, p.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// putListed is putBatch with an entry of each allocation in each of its lists.
func putListed(batch []*schema.Allocation, put func(key, value []byte) error) error {
	if err := putBatch(batch, put); err != nil {
		return err
	}
	var key []byte
	for _, a := range batch {
		id, err := schema.ParseID(a.ID)
		if err != nil {
			return err
		}
		for _, list := range []struct{ kind, name string }{{"node", a.NodeID}, {"job", a.JobID}, {"eval", a.EvalID}} {
			key = append(key[:0], "list by "...)
			key = append(key, list.kind...)
			key = append(append(key, 0), list.name...)
			key = append(append(key, 0), id[:]...)
			if err := put(key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// codec encodes and decodes for all peers.
var codec schema.Codec

// clientIn decodes a client's part.
func clientIn(id string, value []byte) (*schema.Allocation, error) {
	a := &schema.Allocation{ID: id}
	return a, codec.DecodeClient(unsafeString(value), a)
}

// wholeIn decodes an allocation that is kept as one value.
func wholeIn(value []byte) (*schema.Allocation, error) {
	return codec.DecodeAllocation(unsafeString(value))
}

// unsafeString returns b as a string without copying it. The codec copies what it keeps.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// withReport returns stored with the client's fields of sent.
func withReport(stored, sent *schema.Allocation) *schema.Allocation {
	a := *stored
	a.ClientStatus, a.ClientDescription, a.TaskStates = sent.ClientStatus, sent.ClientDescription, sent.TaskStates
	a.ModifyIndex++
	return &a
}
