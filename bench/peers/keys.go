package main

import (
	"sync"

	"allocstore/schema"
)

// The layout of an ordered key-value store that holds allocations: the parts
// that change apart are apart, as they are in allocstore, and a job is kept once.
const (
	schedulerPart = 's'
	clientPart    = 'c'
)

// partKey appends the key of one part of an allocation: 16 bytes and the part.
func partKey(dst []byte, id string, part byte) ([]byte, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil, err
	}
	return append(append(dst, parsed[:]...), part), nil
}

// jobKey is longer than the key of a part, so that it is never one.
func jobKey(j *schema.Job) []byte { return []byte("jobs, each kept once/" + j.ID) }

// pair is room for a key and its value, reused from write to write.
type pair struct {
	key, value []byte
}

var pairs = sync.Pool{New: func() any { return new(pair) }}

// encodeClient makes p the write of the client's part of a.
func (p *pair) encodeClient(a *schema.Allocation) (err error) {
	p.key, err = partKey(p.key[:0], a.ID, clientPart)
	p.value = schema.AppendClient(p.value[:0], a)
	return err
}

// encodeScheduler makes p the write of the scheduler's part of a.
func (p *pair) encodeScheduler(a *schema.Allocation) (err error) {
	p.key, err = partKey(p.key[:0], a.ID, schedulerPart)
	p.value = schema.AppendScheduler(p.value[:0], a)
	return err
}

// putBatch writes the parts of all allocations of a batch, and its jobs, by put,
// which must keep neither key nor value.
func putBatch(batch []*schema.Allocation, put func(key, value []byte) error) error {
	var p pair
	var job *schema.Job
	for _, a := range batch {
		if a.Job != job {
			job = a.Job
			if err := put(jobKey(job), schema.AppendJob(nil, job)); err != nil {
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

// clientIn decodes a client's part.
func clientIn(id string, value []byte) (*schema.Allocation, error) {
	a := &schema.Allocation{ID: id}
	return a, schema.DecodeClient(string(value), a)
}
