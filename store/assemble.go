package store

import (
	"fmt"

	"allocstore/schema"
)

// assemble reads an allocation from its records: p names the newest with the
// scheduler's part and the newest with the client's, which may be one. It
// returns nil for a tombstone. Nothing in the result aliases the file.
func (s *Store) assemble(r reading, id schema.ID, p pair, known knowledge) (*schema.Allocation, error) {
	newest, err := r.version(id, p.newest())
	if err != nil || newest.tombstone() {
		return nil, err
	}
	a, err := s.scheduled(r, id, p, &newest, known)
	if err != nil {
		return nil, err
	}
	client := newest
	if p.client != p.newest() {
		if client, err = r.version(id, p.client); err != nil {
			return nil, err
		}
	}
	if client.client == "" {
		return nil, corruptAt(p.client, "no client's part")
	}
	if err := s.shared.DecodeClient(client.client, a); err != nil {
		return nil, corruptAt(p.client, "client's part: %v", err)
	}
	a.ModifyIndex, a.NextAllocation = p.newest().index, ""
	if newest.flags&flagNext != 0 {
		a.NextAllocation = newest.next.String()
	}
	return a, nil
}

// knowledge is what may be in memory of an allocation that is about to be read, and
// saves a part of that if it is.
type knowledge struct {
	alloc *schema.Allocation // of that ID; its scheduler's part is taken if it is the one
	job   *job               // taken if it is the one
}

// version returns the record at k, which is to be one of id.
func (r reading) version(id schema.ID, k key) (record, error) {
	rec, err := r.record(k)
	if err == nil && rec.id != id {
		err = corruptAt(k, "not the record of allocation %v", id)
	}
	return rec, err
}

// scheduled returns a new allocation with what the client does not own.
func (s *Store) scheduled(r reading, id schema.ID, p pair, newest *record, known knowledge) (*schema.Allocation, error) {
	if known.alloc != nil && known.alloc.AllocModifyIndex == p.sched.index {
		a := *known.alloc
		return &a, nil
	}
	sched := *newest
	if p.sched != p.newest() {
		var err error
		if sched, err = r.version(id, p.sched); err != nil {
			return nil, err
		}
	}
	if sched.sched == "" {
		return nil, corruptAt(p.sched, "no scheduler's part")
	}
	j := known.job
	if j == nil || j.hash != sched.job {
		j = s.jobs.get(sched.job)
	}
	if j == nil {
		return nil, corruptAt(p.sched, "no job %x", sched.job)
	}
	a := &schema.Allocation{CreateIndex: sched.created, AllocModifyIndex: p.sched.index}
	var err error
	if a.Job, err = j.decode(r); err != nil {
		return nil, fmt.Errorf("record %v: %w", p.sched, err)
	}
	if err := s.shared.DecodeScheduler(sched.sched, id, a); err != nil {
		return nil, corruptAt(p.sched, "scheduler's part: %v", err)
	}
	return a, nil
}
