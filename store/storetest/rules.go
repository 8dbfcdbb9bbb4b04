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

// rules are what a front must keep, each with its name.
var rules = []struct {
	name  string
	check func(*suite) error
}{
	{"an allocation reads as it was written, with all three indexes at the insert's", (*suite).reads},
	{"an ID may be in upper case", (*suite).upperCase},
	{"a malformed ID is ErrInvalidID, an absent one ErrNotFound", (*suite).malformed},
	{"a client's write moves ModifyIndex alone and changes what the client owns alone", (*suite).clientWrite},
	{"a scheduler's write keeps what the client owns, and the job where it has none", (*suite).schedulerWrite},
	{"a task keeps its latest ten events, oldest first", (*suite).events},
	{"what was deleted is not found", (*suite).deletion},
	{"index 0 does not wait, and no answer has index 0", (*suite).zeroIndex},
	{"a change above the index returns at once", (*suite).returnsAtOnce},
	{"a wait returns on its allocation's change, and not on another's", (*suite).wakes},
	{"a wait for an absent ID returns when it is placed", (*suite).creation},
	{"a deletion ends a wait, with its index and no allocation", (*suite).deletionEndsWait},
	{"a wait that runs out of time returns what there is, without an error", (*suite).timeOut},
	{"the end of its context ends a wait", (*suite).contextEnds},
	{"lists hold what belongs to them, in the order of IDs", (*suite).lists},
	{"the feed has every change above an index, in order", (*suite).feed},
}

func (u *suite) reads() error {
	index, err := u.place(1)
	if err != nil {
		return err
	}
	got, err := u.get(1)
	if err != nil {
		return err
	}
	want := u.alloc(1)
	want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = index, index, index
	return equal(got, want)
}

func equal(got, want *schema.Allocation) error {
	if !bytes.Equal(schema.AppendAllocation(nil, got), schema.AppendAllocation(nil, want)) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

func (u *suite) upperCase() error {
	if _, err := u.place(1); err != nil {
		return err
	}
	got, err := u.f.Get(strings.ToUpper(u.id(1)))
	if err == nil && got.ID != u.id(1) {
		err = fmt.Errorf("ID %q, want %q", got.ID, u.id(1))
	}
	return err
}

func (u *suite) malformed() error {
	for _, id := range []string{"x", u.id(1)[1:], u.id(1) + "0", strings.Replace(u.id(1), "-", "0", 1)} {
		if _, err := u.f.Get(id); !errors.Is(err, store.ErrInvalidID) {
			return fmt.Errorf("get of %q: %v", id, err)
		}
		if _, err := u.f.Wait(u.ctx, id, store.QueryOptions{MinQueryIndex: 1}); !errors.Is(err, store.ErrInvalidID) {
			return fmt.Errorf("wait for %q: %v", id, err)
		}
	}
	if _, err := u.get(1); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("get of an absent ID: %v", err)
	}
	return nil
}

func (u *suite) clientWrite() error {
	placed, err := u.place(1)
	if err != nil {
		return err
	}
	states := map[string]*schema.TaskState{"redis": {State: schema.TaskStateRunning}}
	upd := &schema.Allocation{ID: u.id(1), ClientStatus: "running", ClientDescription: "fine", TaskStates: states, NodeID: "not the client's to say"}
	applied, err := u.s.UpdateFromClient(u.ctx, upd)
	if err != nil {
		return err
	}
	got, err := u.get(1)
	if err != nil {
		return err
	}
	want := u.alloc(1)
	want.ClientStatus, want.ClientDescription, want.TaskStates = "running", "fine", states
	want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = placed, applied.Index, placed
	return equal(got, want)
}

func (u *suite) schedulerWrite() error {
	placed, err := u.place(1)
	if err != nil {
		return err
	}
	if _, err := u.s.UpdateFromClient(u.ctx, &schema.Allocation{ID: u.id(1), ClientStatus: "running"}); err != nil {
		return err
	}
	upd := u.alloc(1)
	upd.Job, upd.DesiredStatus = nil, schema.DesiredStatusStop
	applied, err := u.s.Upsert(u.ctx, upd)
	if err != nil {
		return err
	}
	got, err := u.get(1)
	if err != nil {
		return err
	}
	want := u.alloc(1)
	want.DesiredStatus, want.ClientStatus = schema.DesiredStatusStop, "running"
	want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = placed, applied.Index, applied.Index
	return equal(got, want)
}

func (u *suite) events() error {
	if _, err := u.place(1); err != nil {
		return err
	}
	var want []schema.TaskEvent
	for i := range 11 {
		ev := schema.TaskEvent{Type: schema.TaskTerminated, Time: int64(1447806038427841000 + i), ExitCode: i, Message: "m"}
		if _, err := u.s.AppendTaskEvent(u.ctx, u.id(1), "redis", schema.TaskStateDead, ev); err != nil {
			return err
		}
		want = append(want, ev)
	}
	a, err := u.get(1)
	if err != nil {
		return err
	}
	ts := a.TaskStates["redis"]
	if ts == nil {
		return errors.New("the task has no state")
	}
	if got := slices.Collect(ts.Events.All()); fmt.Sprint(got) != fmt.Sprint(want[1:]) {
		return fmt.Errorf("events %+v, want %+v", got, want[1:])
	}
	if ts.State != schema.TaskStateDead || int64(ts.FinishedAt) != want[0].Time {
		return fmt.Errorf("state %q since %d, want dead since %d", ts.State, ts.FinishedAt, want[0].Time)
	}
	return nil
}

func (u *suite) deletion() error {
	if _, err := u.place(1); err != nil {
		return err
	}
	if _, err := u.s.Delete(u.ctx, u.id(1)); err != nil {
		return err
	}
	if _, err := u.get(1); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("get: %v", err)
	}
	return nil
}

func (u *suite) lists() error {
	l, ok := u.f.(Lister)
	if !ok {
		return nil
	}
	longer := u.alloc(3)
	longer.NodeID += "0"
	if _, err := u.s.Upsert(u.ctx, u.alloc(2), u.alloc(1), longer); err != nil {
		return err
	}
	if _, err := u.place(4); err != nil {
		return err
	}
	if _, err := u.s.Delete(u.ctx, u.id(4)); err != nil {
		return err
	}
	for _, list := range []struct {
		name string
		got  store.Allocations
		want []string
	}{
		{"ByNode", l.ByNode(u.name("node")), []string{u.id(1), u.id(2)}},
		{"ByJob", l.ByJob(u.name("job")), []string{u.id(1), u.id(2), u.id(3)}},
		{"ByEval", l.ByEval(u.name("eval")), []string{u.id(1), u.id(2), u.id(3)}},
		{"ByPrefix", l.ByPrefix(strings.ToUpper(u.id(1)[:23])), []string{u.id(1), u.id(2), u.id(3)}},
		{"ByNode of nobody", l.ByNode(u.name("nobody")), nil},
	} {
		var ids []string
		for a, err := range list.got {
			if err != nil {
				return fmt.Errorf("%s: %w", list.name, err)
			}
			ids = append(ids, a.ID)
		}
		if !slices.Equal(ids, list.want) {
			return fmt.Errorf("%s: %v, want %v", list.name, ids, list.want)
		}
	}
	return nil
}

func (u *suite) feed() error {
	feed, ok := u.f.(Feed)
	if !ok {
		return nil
	}
	after := u.s.LastIndex()
	inserted, err := u.s.Upsert(u.ctx, u.alloc(1), u.alloc(2))
	if err != nil {
		return err
	}
	deleted, err := u.s.Delete(u.ctx, u.id(1))
	if err != nil {
		return err
	}
	want := []string{
		fmt.Sprint(inserted.Index, u.id(1), false, false), fmt.Sprint(inserted.Index, u.id(2), false, true),
		fmt.Sprint(deleted.Index, u.id(1), true, true),
	}
	ctx, cancel := context.WithTimeout(u.ctx, time.Minute)
	defer cancel()
	var got []string
	for ch, err := range feed.Changes(ctx, after) {
		if err != nil {
			return err
		}
		if got = append(got, fmt.Sprint(ch.Index, ch.ID, ch.Alloc == nil, ch.Last)); len(got) == len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("changes %v, want %v", got, want)
	}
	return nil
}
