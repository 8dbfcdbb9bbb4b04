package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"allocstore/schema"
)

// eachGet is the name of the loop of Get that GetMany is compared with.
const eachGet = "allocstore, Get each"

// getMany measures our GetMany of 1,000 random IDs beside a loop of Get, by one goroutine.
func (b *bench) getMany() error {
	const work = "getmany"
	if !b.wants(work, ours) && !b.wants(work, eachGet) {
		return nil
	}
	o, err := b.resident()
	if err != nil {
		return err
	}
	var contenders []contender
	add := func(name string, c chunker) {
		if b.wants(work, name) {
			contenders = append(contenders, contender{name, func(d time.Duration) (sample, error) { return inChunks(c, d) }})
		}
	}
	add(ours, newManyReader(o, b.data))
	add(eachGet, eachReader{newManyReader(o, b.data)})
	return errors.Join(b.rounds(work, contenders), o.close())
}

// manyReader reads perChunk allocations by their IDs with one call.
type manyReader struct {
	store *ourStore
	next  picker
	rng   *rand.Rand

	ids []string
	got []*schema.Allocation
	sum tally
}

func newManyReader(o *ourStore, d *data) *manyReader {
	return &manyReader{
		store: o,
		next:  d.random(),
		rng:   rand.New(rand.NewPCG(seed, 3)),
		ids:   make([]string, perChunk),
		got:   make([]*schema.Allocation, perChunk),
	}
}

func (r *manyReader) pick() (allocations int) {
	clear(r.got)
	r.sum = tally{}
	return r.next(r.rng, r.ids)
}

func (r *manyReader) read() error {
	for a, err := range r.store.getMany(r.ids) {
		if err != nil {
			return err
		}
		r.keep(a)
	}
	return nil
}

func (r *manyReader) keep(a *schema.Allocation) {
	r.got[r.sum.n] = a
	r.sum.add(a)
}

// check compares the IDs of the allocations with those asked for, in their order.
func (r *manyReader) check() error {
	if r.sum != (tally{perChunk, perChunk * statusLen}) {
		return fmt.Errorf("asked for %d allocations, got %d", perChunk, r.sum.n)
	}
	for i, a := range r.got {
		if a.ID != r.ids[i] {
			return fmt.Errorf("asked for %s, got %s", r.ids[i], a.ID)
		}
	}
	return nil
}

// eachReader is a manyReader that makes a call for each ID.
type eachReader struct {
	*manyReader
}

func (r eachReader) read() error {
	for _, id := range r.ids {
		a, err := r.store.s.Get(id)
		if err != nil {
			return err
		}
		r.keep(a)
	}
	return nil
}
