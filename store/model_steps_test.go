package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"allocstore/schema"
	"allocstore/store"
)

// dice makes random steps over few IDs, so that steps often meet on one ID.
type dice struct{ *rand.Rand }

func (d dice) id() string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(8+d.IntN(8))<<28, 10+d.IntN(3))
}

// cased returns the ID in upper or in lower case.
func (d dice) cased(id string) string { return d.pick(id, strings.ToUpper(id)) }

func (d dice) pick(one ...string) string { return one[d.IntN(len(one))] }

// extra returns an extra key with a value that may be written in several ways, or nil.
func (d dice) extra(key string) map[string]json.RawMessage {
	if d.IntN(2) == 0 {
		return nil
	}
	return map[string]json.RawMessage{key: json.RawMessage(d.pick(`{"a":1.50}`, ` { "a" : 1.50 } `, `{"a":1.5}`))}
}

// rarely returns none once in ten times.
func (d dice) rarely(none string, one ...string) string {
	if d.IntN(10) == 0 {
		return none
	}
	return d.pick(one...)
}

func (d dice) states() map[string]*schema.TaskState {
	states := map[string]*schema.TaskState{}
	for range d.IntN(3) {
		ts := &schema.TaskState{State: d.pick("pending", "running", "dead"), Restarts: uint64(d.IntN(2)), Extra: d.extra("TaskHandle")}
		for i := range d.IntN(13) {
			ts.Events.Append(schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)})
		}
		states[d.pick("redis", "web")] = ts
	}
	if len(states) == 0 {
		return nil
	}
	return states
}

func (d dice) alloc() *schema.Allocation {
	a := &schema.Allocation{
		ID: d.id(), NodeID: d.rarely("", "node1", "node10"), JobID: d.rarely("", "a", "b"), EvalID: d.pick("e1", "e2"),
		TaskGroup:     d.rarely("", "web", "db"),
		DesiredStatus: d.pick("run", "run", "stop", "evict"), ClientStatus: d.pick("pending", "running", "lost", "unknown", ""),
		ClientDescription: d.pick("", "fine"), TaskStates: d.states(),
		Job:   &schema.Job{ID: d.pick("a", "b"), Priority: d.IntN(2), Extra: d.extra("Version")},
		Extra: d.extra("Namespace"), ClientExtra: d.extra("NetworkStatus"),
	}
	if d.IntN(4) == 0 {
		if previous := d.id(); previous != a.ID {
			a.PreviousAllocation = previous
		}
	}
	if d.IntN(8) == 0 {
		if next := d.id(); next != a.ID {
			a.NextAllocation = next
		}
	}
	return a
}

func (d dice) step(m *model) step {
	switch d.IntN(14) {
	case 0, 1, 2:
		return d.upsert(m)
	case 3, 4, 5:
		return d.update()
	case 6, 7:
		return d.event()
	case 8, 9, 10:
		return d.status()
	case 11:
		return d.expect(m)
	}
	id := d.id()
	return step{id: id, kind: "delete", write: func(b *store.Batch) { b.Delete(strings.ToUpper(id)) },
		model: func(m map[string]*schema.Allocation, _ uint64) bool {
			_, known := m[id]
			delete(m, id)
			return known
		}}
}

// upsert writes a random allocation, or now and then the current one again.
func (d dice) upsert(m *model) step {
	a := d.alloc()
	if was := m.current[a.ID]; was != nil && d.IntN(2) == 0 {
		a = was.Clone()
		if d.IntN(2) == 0 {
			a.Job, a.JobID = nil, d.rarely("", a.JobID)
		}
	}
	in := a.Clone()
	in.ID, in.PreviousAllocation, in.NextAllocation = d.cased(a.ID), d.cased(a.PreviousAllocation), d.cased(a.NextAllocation)
	if a.JobID == "" && a.Job != nil {
		a.JobID = a.Job.ID
	}
	refusal := func(m map[string]*schema.Allocation) error {
		switch was := m[a.ID]; {
		case was == nil && a.Job == nil:
			return store.ErrNoJob
		case was != nil && (a.NodeID == "" && was.NodeID != "" || a.JobID == "" && was.JobID != "" || a.TaskGroup == "" && was.TaskGroup != ""):
			return store.ErrInvalid
		}
		return nil
	}
	return step{id: a.ID, kind: "upsert", refusal: refusal, write: func(b *store.Batch) { b.Upsert(in) },
		model: func(m map[string]*schema.Allocation, index uint64) bool {
			is := a.Clone()
			if was := m[a.ID]; was == nil {
				is.CreateIndex, is.ModifyIndex, is.AllocModifyIndex = index, index, index
			} else {
				if is.Job == nil {
					is.Job = was.Job
				}
				status := was.ClientStatus
				if is.ClientStatus == "lost" || is.ClientStatus == "unknown" {
					status = is.ClientStatus
				}
				is.CreateIndex, is.ClientStatus = was.CreateIndex, status
				is.ClientDescription, is.TaskStates, is.ClientExtra = was.ClientDescription, was.TaskStates, was.ClientExtra
				is.ModifyIndex, is.AllocModifyIndex = was.ModifyIndex, was.AllocModifyIndex
				if contentText(is) != contentText(was) {
					is.ModifyIndex, is.AllocModifyIndex = index, index
				}
			}
			m[a.ID] = is
			if p := m[a.PreviousAllocation]; p != nil && p.NextAllocation != a.ID {
				p.NextAllocation, p.ModifyIndex = a.ID, index
			}
			return true
		}}
}

func (d dice) update() step {
	a := &schema.Allocation{
		ID: d.id(), ClientStatus: d.pick("running", "running", "failed"), ClientDescription: d.pick("", "x"), TaskStates: d.states(),
		NodeID: "ignored", ClientExtra: d.extra("NetworkStatus"), Extra: d.extra("Ignored"),
	}
	in := a.Clone()
	in.ID = d.cased(a.ID)
	return step{id: a.ID, kind: "client", write: func(b *store.Batch) { b.UpdateFromClient(in) },
		model: func(m map[string]*schema.Allocation, index uint64) bool {
			is := m[a.ID]
			if is == nil {
				return false
			}
			c := a.Clone()
			is.ClientStatus, is.ClientDescription, is.TaskStates, is.ModifyIndex = c.ClientStatus, c.ClientDescription, c.TaskStates, index
			is.ClientExtra = c.ClientExtra
			return true
		}}
}

func (d dice) event() step {
	id, task, state := d.id(), d.pick("redis", "web"), d.pick("", "running", "dead")
	ev := schema.TaskEvent{
		Type: d.pick(schema.TaskStarted, schema.TaskRestarting, schema.TaskTerminated, schema.TaskNotRestarting),
		Time: d.Int64N(1 << (3 + 37*d.IntN(2))), Message: d.pick("", "m"), Extra: d.extra("Reason"), // often one that the ring has
	}
	cased := d.cased(id)
	return step{id: id, kind: "event", write: func(b *store.Batch) { b.AppendTaskEvent(cased, task, state, ev) },
		model: func(m map[string]*schema.Allocation, index uint64) bool {
			is := m[id]
			if is == nil {
				return false
			}
			if is.TaskStates == nil {
				is.TaskStates = map[string]*schema.TaskState{}
			}
			ts := is.TaskStates[task]
			if ts == nil {
				ts = &schema.TaskState{State: "pending"}
				is.TaskStates[task] = ts
			}
			for has := range ts.Events.All() {
				if ev.Time != 0 && eventText(has) == eventText(ev) {
					return true
				}
			}
			ts.Events.Append(ev)
			switch ev.Type {
			case schema.TaskRestarting:
				ts.Restarts, ts.LastRestart = ts.Restarts+1, schema.UnixNano(ev.Time)
			case schema.TaskNotRestarting:
				ts.Failed = true
			}
			if state == "running" && ts.State != "running" {
				ts.StartedAt, ts.FinishedAt = schema.UnixNano(ev.Time), 0
			}
			if state == "dead" && ts.State != "dead" {
				ts.FinishedAt = schema.UnixNano(ev.Time)
			}
			if state != "" {
				ts.State = state
			}
			is.ModifyIndex = index
			return true
		}}
}

// status sets the client's or the desired status.
func (d dice) status() step {
	id, to, text := d.id(), d.pick("running", "run", "stop", "lost", "complete"), d.pick("", "x")
	cased := d.cased(id)
	if d.IntN(2) == 0 {
		return step{id: id, kind: "client status", write: func(b *store.Batch) { b.SetClientStatus(cased, to, text) },
			model: func(m map[string]*schema.Allocation, index uint64) bool {
				is := m[id]
				if is != nil {
					is.ClientStatus, is.ClientDescription, is.ModifyIndex = to, text, index
				}
				return is != nil
			}}
	}
	return step{id: id, kind: "desired status", write: func(b *store.Batch) { b.SetDesiredStatus(cased, to, text) },
		model: func(m map[string]*schema.Allocation, index uint64) bool {
			is := m[id]
			if is != nil && (is.DesiredStatus != to || is.DesiredDescription != text) {
				is.DesiredStatus, is.DesiredDescription, is.ModifyIndex, is.AllocModifyIndex = to, text, index, index
			}
			return is != nil
		}}
}
