package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"allocstore/schema"
	"allocstore/store"
)

// A rule is a rule for a Reader, with its check.
type rule struct {
	name  string
	check func(*suite)
}

// wantAlloc ends the check unless the n-th allocation reads as want.
func (u *suite) wantAlloc(n int, want *schema.Allocation) {
	got := u.get(n)
	var codec schema.Codec
	if !bytes.Equal(codec.AppendAllocation(nil, got), codec.AppendAllocation(nil, want)) {
		u.failf("got %+v, want %+v", got, want)
	}
}

// wantAbsent ends the check unless the n-th allocation is not found.
func (u *suite) wantAbsent(n int) {
	if _, err := u.r.Get(u.id(n)); !errors.Is(err, store.ErrNotFound) {
		u.failf("get of an absent ID: %v", err)
	}
}

// rules are the rules for reads, lists and the feed.
var rules = []rule{
	{"an allocation reads as it was written, with all three indexes at the insert's", func(u *suite) {
		index := u.place(1)
		want := u.alloc(1)
		want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = index, index, index
		u.wantAlloc(1, want)
	}},
	{"an ID may be in upper case", func(u *suite) {
		u.place(1)
		got, err := u.r.Get(strings.ToUpper(u.id(1)))
		u.must(err)
		if got.ID != u.id(1) {
			u.failf("ID %q, want %q", got.ID, u.id(1))
		}
	}},
	{"a malformed ID is ErrInvalidID, an absent one ErrNotFound", func(u *suite) {
		for _, id := range []string{"x", u.id(1)[1:], u.id(1) + "0", strings.Replace(u.id(1), "-", "0", 1)} {
			if _, err := u.r.Get(id); !errors.Is(err, store.ErrInvalidID) {
				u.failf("get of %q: %v", id, err)
			}
			if _, err := u.r.Wait(u.ctx, id, store.QueryOptions{MinQueryIndex: 1}); !errors.Is(err, store.ErrInvalidID) {
				u.failf("wait for %q: %v", id, err)
			}
		}
		u.wantAbsent(1)
	}},
	{"a client's write moves ModifyIndex alone and changes the client's fields alone", func(u *suite) {
		placed := u.place(1)
		states := map[string]*schema.TaskState{"redis": {State: schema.TaskStateRunning}}
		updated := u.update(&schema.Allocation{
			ID: u.id(1), ClientStatus: "running", ClientDescription: "fine", TaskStates: states, NodeID: "the scheduler's field",
		})
		want := u.alloc(1)
		want.ClientStatus, want.ClientDescription, want.TaskStates = "running", "fine", states
		want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = placed, updated, placed
		u.wantAlloc(1, want)
	}},
	{"a scheduler's write keeps the client's fields, and the job if it has none itself", func(u *suite) {
		placed := u.place(1)
		u.update(&schema.Allocation{ID: u.id(1), ClientStatus: "running"})
		stop := u.alloc(1)
		stop.Job, stop.DesiredStatus = nil, schema.DesiredStatusStop
		stopped := u.upsert(stop)
		want := u.alloc(1)
		want.DesiredStatus, want.ClientStatus = schema.DesiredStatusStop, "running"
		want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = placed, stopped, stopped
		u.wantAlloc(1, want)
	}},
	{"a task keeps its latest ten events, oldest first", func(u *suite) {
		u.place(1)
		var want []schema.TaskEvent
		for i := range 11 {
			ev := schema.TaskEvent{Type: schema.TaskTerminated, Time: 1447806038427841000 + int64(i), ExitCode: i, Message: "m"}
			u.written(u.s.AppendTaskEvent(u.ctx, u.id(1), "redis", schema.TaskStateDead, ev))
			want = append(want, ev)
		}
		ts := u.get(1).TaskStates["redis"]
		if ts == nil {
			u.failf("the task has no state")
		}
		if got := slices.Collect(ts.Events.All()); fmt.Sprint(got) != fmt.Sprint(want[1:]) {
			u.failf("events %+v, want %+v", got, want[1:])
		}
		if ts.State != schema.TaskStateDead || int64(ts.FinishedAt) != want[0].Time {
			u.failf("state %q since %d, want dead since %d", ts.State, ts.FinishedAt, want[0].Time)
		}
	}},
	{"a deleted allocation is not found", func(u *suite) {
		u.place(1)
		u.remove(1)
		u.wantAbsent(1)
	}},
	{"lists hold their members, in the order of IDs", func(u *suite) {
		l, ok := u.r.(Lister)
		if !ok {
			return
		}
		longer := u.alloc(3)
		longer.NodeID += "0"
		u.upsert(u.alloc(2), u.alloc(1), longer)
		u.place(4)
		u.remove(4)
		for _, list := range []struct {
			name string
			got  store.Allocations
			want []string
		}{
			{"ByNode", l.ByNode(u.name("node")), []string{u.id(1), u.id(2)}},
			{"ByJob", l.ByJob(u.name("job")), []string{u.id(1), u.id(2), u.id(3)}},
			{"ByEval", l.ByEval(u.name("eval")), []string{u.id(1), u.id(2), u.id(3)}},
			{"ByPrefix", l.ByPrefix(strings.ToUpper(u.id(1)[:23])), []string{u.id(1), u.id(2), u.id(3)}},
			{"ByNode of an unknown node", l.ByNode(u.name("unknown")), nil},
		} {
			var ids []string
			for a, err := range list.got {
				if err != nil {
					u.failf("%s: %w", list.name, err)
				}
				ids = append(ids, a.ID)
			}
			if !slices.Equal(ids, list.want) {
				u.failf("%s: %v, want %v", list.name, ids, list.want)
			}
		}
	}},
	{"the feed has every change above an index, in order", func(u *suite) {
		feed, ok := u.r.(Feed)
		if !ok {
			return
		}
		after := u.s.LastIndex()
		inserted := u.upsert(u.alloc(1), u.alloc(2))
		deleted := u.remove(1)
		want := []string{
			fmt.Sprint(inserted, u.id(1), false, false), fmt.Sprint(inserted, u.id(2), false, true),
			fmt.Sprint(deleted, u.id(1), true, true),
		}
		ctx, cancel := context.WithTimeout(u.ctx, time.Minute)
		defer cancel()
		var got []string
		for ch, err := range feed.Changes(ctx, after) {
			u.must(err)
			if got = append(got, fmt.Sprint(ch.Index, ch.ID, ch.Alloc == nil, ch.Last)); len(got) == len(want) {
				break
			}
		}
		if !slices.Equal(got, want) {
			u.failf("changes %v, want %v", got, want)
		}
	}},
}
