package main

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"

	"allocstore/schema"
)

// Names that all allocations share.
const (
	task      = "web"
	group     = "group"
	evalOfAll = "eval"
	fillerKey = "Filler" // of Allocation.Extra: bytes that make an allocation large
)

func idOf(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(n)*0x9e3779b1, n) }

// numberOf is the inverse of idOf. It returns -1 for an ID that idOf does not make.
func numberOf(id string) int {
	var n int
	if _, err := fmt.Sscanf(id[strings.LastIndexByte(id, '-')+1:], "%x", &n); err != nil || idOf(n) != id {
		return -1
	}
	return n
}

// A row is one version of an allocation, in the model and on the wire. Its only slice-like part, the events, is
// one text, so rows are compared by ==.
type row struct {
	ID     int
	Absent bool   `json:",omitempty"` // deleted: of the rest only Modify is set, and only in the model
	Create uint64 `json:",omitempty"`
	Modify uint64 `json:",omitempty"`
	Alloc  uint64 `json:",omitempty"`

	Name, Node, Job, Previous string `json:",omitempty"`
	Desired, Why              string `json:",omitempty"` // the scheduler's status and its description
	Client, Report            string `json:",omitempty"` // the client's
	Next                      string `json:",omitempty"`
	Filler                    string `json:",omitempty"` // a sum of the filler
	Events                    string `json:",omitempty"` // their messages, the oldest first
	Dropped                   uint64 `json:",omitempty"`
}

// rowOf returns an allocation of a store as a row; a is nil if it is absent.
func rowOf(id string, a *schema.Allocation) row {
	n := numberOf(id)
	if a == nil {
		return row{ID: n, Absent: true}
	}
	r := row{
		ID: n, Create: a.CreateIndex, Modify: a.ModifyIndex, Alloc: a.AllocModifyIndex,
		Name: a.Name, Node: a.NodeID, Job: a.JobID, Previous: a.PreviousAllocation, Next: a.NextAllocation,
		Desired: a.DesiredStatus, Why: a.DesiredDescription, Client: a.ClientStatus, Report: a.ClientDescription,
		Filler: sumOf(a.Extra[fillerKey]),
	}
	if ts := a.TaskStates[task]; ts != nil {
		var all []string
		for ev := range ts.Events.All() {
			all = append(all, ev.Message)
		}
		r.Events, r.Dropped = strings.Join(all, " "), ts.Events.Dropped()
	}
	if a.ID != id || a.Job == nil || a.Job.ID != a.JobID || a.EvalID != evalOfAll || a.TaskGroup != group {
		r.Name = fmt.Sprintf("not %s but %+v", id, a)
	}
	return r
}

// fillerOf returns a filler of about so many bytes, which depends on the token; nil for none.
func fillerOf(token string, bytes int) json.RawMessage {
	if bytes == 0 {
		return nil
	}
	return fmt.Appendf(nil, "%q", strings.Repeat(token+"/", bytes/(len(token)+1)+1))
}

func sumOf(filler json.RawMessage) string {
	if len(filler) == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%08x", len(filler), crc32.ChecksumIEEE(filler))
}

// String formats a row for the report of a fault.
func (r row) String() string {
	if r.Absent {
		return fmt.Sprintf("%d absent", r.ID)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// tokens are the texts of the writes that made the version.
func (r *row) tokens() []string { return append(strings.Fields(r.Events), r.Name, r.Why, r.Report) }

// last is the message of the last event, which is the value of a register.
func (r *row) last() string { return r.Events[strings.LastIndexByte(r.Events, ' ')+1:] }

// terminal is Terminal of the documentation.
func (r *row) terminal() bool {
	return r.Desired == "stop" || r.Desired == "evict" || r.Client == "complete" || r.Client == "failed" || r.Client == "lost"
}
