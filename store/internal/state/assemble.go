package state

import (
	"fmt"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// Assemble reads the version of an allocation that p locates, or nil for a tombstone. The
// result does not alias the file.
func (st *State) Assemble(t logfile.Tx, id schema.ID, p record.Pair) (*schema.Allocation, error) {
	return st.assemble(t, id, p, hints{})
}

// Hints are parts of an allocation to be read that memory may already have. Each is used if
// it fits.
type hints struct {
	alloc *schema.Allocation // of the same ID, for its scheduler's part
	job   *Job
}

func (st *State) assemble(t logfile.Tx, id schema.ID, p record.Pair, known hints) (*schema.Allocation, error) {
	newest, err := t.Version(id, p.Newest())
	if err != nil || newest.Tombstone() {
		return nil, err
	}
	a, err := st.scheduled(t, id, p, &newest, known)
	if err != nil {
		return nil, err
	}
	client := newest
	if p.Client != p.Newest() {
		if client, err = t.Version(id, p.Client); err != nil {
			return nil, err
		}
	}
	if client.Client == "" {
		return nil, record.CorruptAt(p.Client, "no client's part")
	}
	if err := st.Codec.DecodeClient(client.Client, a); err != nil {
		return nil, record.CorruptAt(p.Client, "client's part: %v", err)
	}
	a.ModifyIndex, a.NextAllocation = p.Newest().Index, ""
	if newest.Flags&record.FlagNext != 0 {
		a.NextAllocation = newest.Next.String()
	}
	return a, nil
}

// scheduled returns a new allocation with everything that the client does not own.
func (st *State) scheduled(t logfile.Tx, id schema.ID, p record.Pair, newest *record.Record, known hints) (*schema.Allocation, error) {
	if known.alloc != nil && known.alloc.AllocModifyIndex == p.Sched.Index {
		a := *known.alloc
		return &a, nil
	}
	sched := *newest
	if p.Sched != p.Newest() {
		var err error
		if sched, err = t.Version(id, p.Sched); err != nil {
			return nil, err
		}
	}
	if sched.Sched == "" {
		return nil, record.CorruptAt(p.Sched, "no scheduler's part")
	}
	j := known.job
	if j == nil || j.Hash != sched.Job {
		j = st.Jobs.Get(sched.Job)
	}
	if j == nil {
		return nil, record.CorruptAt(p.Sched, "no job %x", sched.Job)
	}
	a := &schema.Allocation{CreateIndex: sched.Created, AllocModifyIndex: p.Sched.Index}
	var err error
	if a.Job, err = j.decode(t, &st.Codec); err != nil {
		return nil, fmt.Errorf("record %v: %w", p.Sched, err)
	}
	if err := st.Codec.DecodeScheduler(sched.Sched, id, a); err != nil {
		return nil, record.CorruptAt(p.Sched, "scheduler's part: %v", err)
	}
	return a, nil
}
