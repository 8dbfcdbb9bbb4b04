package main

import (
	"encoding/json"
	"strings"

	"allocstore/schema"
	"allocstore/store"
)

// Kinds of writes.
const (
	kindUpsert  = "upsert"
	kindEvent   = "event" // without a time: it is appended each time that it is applied
	kindStatus  = "status"
	kindClient  = "client"
	kindDesired = "desired"
	kindDelete  = "delete"
)

// A write is one write of a batch.
type write struct {
	Kind     string
	ID       int
	Token    string `json:",omitempty"` // unique among all batches; not in a delete
	Node     string `json:",omitempty"` // the following are an upsert's
	Job      string `json:",omitempty"`
	Previous int    `json:",omitempty"` // 0 for none
	Filler   int    `json:",omitempty"` // bytes
	Status   string `json:",omitempty"`
}

// A condition is that of an Expect, or of an ExpectList if the ID is 0.
type condition struct {
	ID, List int
	Index    uint64
}

// A batch is a store.Batch as the harness has it.
type batch struct {
	Writes []write
	If     []condition `json:",omitempty"`
}

// build returns the batch for the store.
func (b *batch) build() *store.Batch {
	out := new(store.Batch)
	for _, c := range b.If {
		if c.ID != 0 {
			out.Expect(idOf(c.ID), c.Index)
		} else {
			out.ExpectList(someLists[c.List].Selector, c.Index)
		}
	}
	for _, w := range b.Writes {
		w.addTo(out)
	}
	return out
}

func (w *write) addTo(b *store.Batch) {
	id := idOf(w.ID)
	switch w.Kind {
	case kindUpsert:
		b.Upsert(w.allocation())
	case kindEvent:
		b.AppendTaskEvent(id, task, "", schema.TaskEvent{Type: schema.TaskStarted, Message: w.Token})
	case kindStatus:
		b.SetClientStatus(id, w.Status, w.Token)
	case kindClient:
		b.UpdateFromClient(&schema.Allocation{ID: id, ClientStatus: w.Status, ClientDescription: w.Token})
	case kindDesired:
		b.SetDesiredStatus(id, w.Status, w.Token)
	case kindDelete:
		b.Delete(id)
	}
}

func (w *write) allocation() *schema.Allocation {
	a := &schema.Allocation{
		ID: idOf(w.ID), Name: w.Token, NodeID: w.Node, JobID: w.Job, EvalID: evalOfAll, TaskGroup: group,
		Job: &schema.Job{ID: w.Job}, DesiredStatus: "run", ClientStatus: "pending",
	}
	if w.Previous != 0 {
		a.PreviousAllocation = idOf(w.Previous)
	}
	if w.Filler > 0 {
		a.Extra = map[string]json.RawMessage{fillerKey: fillerOf(w.Token, w.Filler)}
	}
	return a
}

// apply applies the writes at an index to the rows, and returns the rows that changed, and the IDs that are absent.
func (b *batch) apply(rows map[int]row, index uint64) (changed map[int]row, unknown []int) {
	changed = make(map[int]row)
	get := func(id int) (row, bool) {
		r, ok := changed[id]
		if !ok {
			r, ok = rows[id]
		}
		return r, ok && !r.Absent
	}
	for _, w := range b.Writes {
		r, here := get(w.ID)
		if !here && w.Kind != kindUpsert {
			unknown = append(unknown, w.ID)
			continue
		}
		changed[w.ID] = w.apply(r, here, index)
		if p, ok := get(w.Previous); ok && w.Kind == kindUpsert && p.Next != idOf(w.ID) {
			p.Next, p.Modify = idOf(w.ID), index
			changed[w.Previous] = p
		}
	}
	for id, r := range changed { // a later write of the batch may take an earlier one back
		was, ok := rows[id]
		content := r
		content.Modify, content.Alloc = was.Modify, was.Alloc
		if r.Absent && (!ok || was.Absent) || ok && content == was {
			delete(changed, id)
		}
	}
	return changed, unknown
}

// apply returns a row after a write.
func (w *write) apply(r row, here bool, index uint64) row {
	next := r
	next.Modify = index
	switch w.Kind {
	case kindUpsert:
		if !here {
			next = row{ID: w.ID, Create: index, Modify: index, Client: "pending"}
		}
		next.Alloc, next.Name, next.Node, next.Job, next.Desired, next.Why, next.Next = index, w.Token, w.Node, w.Job, "run", "", ""
		next.Filler, next.Previous = sumOf(fillerOf(w.Token, w.Filler)), ""
		if w.Previous != 0 {
			next.Previous = idOf(w.Previous)
		}
	case kindEvent:
		all := append(strings.Fields(r.Events), w.Token)
		if over := len(all) - schema.MaxTaskEvents; over > 0 {
			all = all[over:]
			next.Dropped += uint64(over)
		}
		next.Events = strings.Join(all, " ")
	case kindStatus:
		next.Client, next.Report = w.Status, w.Token
	case kindClient:
		next.Client, next.Report, next.Events, next.Dropped = w.Status, w.Token, "", 0
	case kindDesired:
		next.Alloc, next.Desired, next.Why = index, w.Status, w.Token
	case kindDelete:
		next = row{ID: w.ID, Absent: true, Modify: index}
	}
	return next
}
