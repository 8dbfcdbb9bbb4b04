package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"allocstore/schema"
)

// idCount is the largest number of allocations: few, so that batches meet.
const idCount = 24

// A generator makes random batches.
type generator struct {
	*rand.Rand
	ids     int // the number of allocations
	largest int // the largest padding of a text, in bytes
	n       int // counts texts, so that each is different
}

func newGenerator(seed uint64, w workload) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 0xc07)), ids: w.ids, largest: w.largest}
}

// idOf returns the ID of allocation i.
func idOf(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*0x9e3779b9, i) }

func (d *generator) id() string { return idOf(d.IntN(d.ids)) }

func (d *generator) pick(of ...string) string { return of[d.IntN(len(of))] }

// text returns a text that was never written before.
func (d *generator) text() string {
	d.n++
	return fmt.Sprint(d.n) + strings.Repeat("x", d.IntN(d.largest+1))
}

// extra returns an extra key, or nil.
func (d *generator) extra(key string) map[string]json.RawMessage {
	if d.IntN(3) > 0 {
		return nil
	}
	return map[string]json.RawMessage{key: json.RawMessage(`{"n":` + fmt.Sprint(d.IntN(100)) + `.50}`)}
}

// steps makes a batch. With mustChange it changes something in any state.
func (d *generator) steps(mustChange bool) []step {
	var all []step
	for range 1 + d.IntN(4)*d.IntN(4) {
		switch n := d.IntN(11); {
		case n < 4:
			all = append(all, d.upsert())
		case n < 6:
			all = append(all, d.update())
		case n < 8:
			all = append(all, d.event())
		case n < 9:
			all = append(all, d.status())
		default:
			all = append(all, d.remove())
		}
	}
	if mustChange {
		all = append(all, d.upsert())
	}
	return all
}

func (d *generator) upsert() step {
	a := &schema.Allocation{
		ID: d.id(), Name: d.text(), NodeID: d.pick("node1", "node10"), JobID: d.pick("a", "b"), EvalID: d.pick("e1", "e2"),
		DesiredStatus: d.pick("run", "stop"), ClientStatus: "pending",
		Job:   &schema.Job{ID: d.pick("a", "b"), Priority: d.IntN(50), Name: strings.Repeat("j", d.IntN(d.largest/4+1)), Extra: d.extra("Version")},
		Extra: d.extra("Namespace"), ClientExtra: d.extra("NetworkStatus"),
	}
	if previous := d.id(); d.IntN(4) == 0 && previous != a.ID {
		a.PreviousAllocation = previous
	}
	return step{id: a.ID, op: func(b batch) { b.Upsert(a) }, do: func(in map[string]*schema.Allocation, index uint64) {
		is := a.Clone()
		is.CreateIndex, is.ModifyIndex, is.AllocModifyIndex = index, index, index
		if was := in[a.ID]; was != nil {
			is.CreateIndex = was.CreateIndex
			is.ClientStatus, is.ClientDescription, is.TaskStates = was.ClientStatus, was.ClientDescription, was.TaskStates
			is.ClientExtra = was.ClientExtra
		}
		in[a.ID] = is
		if p := in[a.PreviousAllocation]; p != nil && p.NextAllocation != a.ID {
			p.NextAllocation, p.ModifyIndex = a.ID, index
		}
	}}
}

func (d *generator) update() step {
	a := &schema.Allocation{ID: d.id(), ClientStatus: d.pick("running", "failed"), ClientDescription: d.text(), ClientExtra: d.extra("NetworkStatus")}
	if d.IntN(2) == 0 {
		ts := &schema.TaskState{State: d.pick("running", "dead"), Restarts: d.Uint64N(4)}
		for i := range d.IntN(12) {
			ts.Events.Append(schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)})
		}
		a.TaskStates = map[string]*schema.TaskState{"web": ts}
	}
	return step{id: a.ID, op: func(b batch) { b.UpdateFromClient(a) }, do: func(in map[string]*schema.Allocation, index uint64) {
		if is := in[a.ID]; is != nil {
			c := a.Clone()
			is.ClientStatus, is.ClientDescription, is.TaskStates, is.ModifyIndex = c.ClientStatus, c.ClientDescription, c.TaskStates, index
			is.ClientExtra = c.ClientExtra
		}
	}}
}

func (d *generator) event() step {
	id, task, state := d.id(), d.pick("redis", "web"), d.pick("", "running", "dead")
	ev := schema.TaskEvent{Type: d.pick(schema.TaskRestarting, schema.TaskTerminated), Time: d.Int64N(1 << 40), Message: d.text()}
	return step{id: id, op: func(b batch) { b.AppendTaskEvent(id, task, state, ev) }, do: func(in map[string]*schema.Allocation, index uint64) {
		is := in[id]
		if is == nil {
			return
		}
		if is.TaskStates == nil {
			is.TaskStates = make(map[string]*schema.TaskState)
		}
		if is.TaskStates[task] == nil {
			is.TaskStates[task] = &schema.TaskState{State: "pending"}
		}
		record(is.TaskStates[task], state, ev)
		is.ModifyIndex = index
	}}
}

// record applies an event, as the design has it.
func record(ts *schema.TaskState, state string, ev schema.TaskEvent) {
	ts.Events.Append(ev)
	if ev.Type == schema.TaskRestarting {
		ts.Restarts, ts.LastRestart = ts.Restarts+1, schema.UnixNano(ev.Time)
	}
	switch {
	case state == "running" && ts.State != "running":
		ts.StartedAt, ts.FinishedAt = schema.UnixNano(ev.Time), 0
	case state == "dead" && ts.State != "dead":
		ts.FinishedAt = schema.UnixNano(ev.Time)
	}
	if state != "" {
		ts.State = state
	}
}

// status sets the client's or the desired status.
func (d *generator) status() step {
	id, text := d.id(), d.text()
	if d.IntN(2) == 0 {
		return step{id: id, op: func(b batch) { b.SetClientStatus(id, "lost", text) }, do: func(in map[string]*schema.Allocation, index uint64) {
			if is := in[id]; is != nil {
				is.ClientStatus, is.ClientDescription, is.ModifyIndex = "lost", text, index
			}
		}}
	}
	return step{id: id, op: func(b batch) { b.SetDesiredStatus(id, "stop", text) }, do: func(in map[string]*schema.Allocation, index uint64) {
		if is := in[id]; is != nil {
			is.DesiredStatus, is.DesiredDescription, is.ModifyIndex, is.AllocModifyIndex = "stop", text, index, index
		}
	}}
}

func (d *generator) remove() step {
	id := d.id()
	return step{id: id, op: func(b batch) { b.Delete(id) }, do: func(in map[string]*schema.Allocation, _ uint64) { delete(in, id) }}
}
