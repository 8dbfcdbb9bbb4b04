package store

import (
	"fmt"

	"allocstore/schema"
)

// assemble reads an allocation from its records: p names the newest with the
// scheduler's part and the newest with the client's, which may be one. It
// returns nil for a tombstone. Nothing in the result aliases the file.
func (s *Store) assemble(r reading, id schema.ID, p pair) (*schema.Allocation, error) {
	sched, err := r.record(p.sched)
	if err != nil {
		return nil, err
	}
	if sched.tombstone() {
		return nil, nil
	}
	client := sched
	if p.client != p.sched {
		if client, err = r.record(p.client); err != nil {
			return nil, err
		}
	}
	if sched.id != id || client.id != id || sched.sched == "" || client.client == "" {
		return nil, corruptAt(p.newest(), "not the record of allocation %v", id)
	}
	newest := &sched
	if p.client.after(p.sched) {
		newest = &client
	}
	a := &schema.Allocation{
		ID:               id.String(),
		CreateIndex:      sched.created,
		ModifyIndex:      p.newest().index,
		AllocModifyIndex: p.sched.index,
	}
	if newest.flags&flagNext != 0 {
		a.NextAllocation = newest.next.String()
	}
	return a, s.decodeInto(a, r, p, &sched, &client)
}

// decodeInto decodes both parts and the job.
func (s *Store) decodeInto(a *schema.Allocation, r reading, p pair, sched, client *record) error {
	if err := schema.DecodeScheduler(string(bytesOf(sched.sched)), a); err != nil {
		return corruptAt(p.sched, "scheduler's part: %v", err)
	}
	if err := schema.DecodeClient(string(bytesOf(client.client)), a); err != nil {
		return corruptAt(p.client, "client's part: %v", err)
	}
	j := s.jobs.get(sched.job)
	if j == nil {
		return corruptAt(p.sched, "no job %x", sched.job)
	}
	var err error
	if a.Job, err = j.decode(r.jobs); err != nil {
		return fmt.Errorf("record %v: %w", p.sched, err)
	}
	return nil
}
