package batchcodec

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
)

// pieces of a batch, to be joined.
var (
	id     = strings.Repeat("\x07", 16)
	job    = text(string(codec.AppendJob(nil, &schema.Job{ID: "a"})))
	other  = text(string(codec.AppendJob(nil, &schema.Job{ID: "b"})))
	sched  = text(string(codec.AppendScheduler(nil, &schema.Allocation{NodeID: "node"})))
	client = text(string(codec.AppendClient(nil, &schema.Allocation{ClientStatus: "lost"})))
	event  = string(appendEvent(nil, &plan.TaskEvent{Task: "t", State: "running", Event: schema.TaskEvent{Type: "x", Time: 300}}))
	index  = "\x00\x00\x00\x00\x00\x00\x00\x09"
)

func text(s string) string { return string(appendText(nil, s)) }

// previous is a scheduler's part with a PreviousAllocation.
func previous(id string) string {
	return text(string(codec.AppendScheduler(nil, &schema.Allocation{PreviousAllocation: id})))
}

// events is a client's part in the place of an event.
func events(a schema.Allocation) string { return text(string(codec.AppendClient(nil, &a))) }

func states(ts map[string]*schema.TaskState) string { return events(schema.Allocation{TaskStates: ts}) }

// ring has n events.
func ring(n int) (r schema.EventRing) {
	for i := range n {
		r.Append(schema.TaskEvent{Type: "x", Time: int64(i)})
	}
	return r
}

// TestDecode reads bytes that were put together by hand, and compares every field.
func TestDecode(t *testing.T) {
	t.Parallel()
	data := "\x01" + "\x02" + job + other +
		"\x02" + "\x00" + id + index + "\x04\x03" + text("0a") + index +
		"\x01" + "\x02" + text("bad ID") +
		"\x07" + "\x01" + id + "\x01\x00" + sched + client + "\x01" + id + "\x02\x01" + id + previous("") + client +
		"\x01" + id + "\x00\x00" + previous(schema.ID{9}.String()) + client +
		"\x02" + id + client + "\x03" + id + event + "\x04" + id + text("s") + text("d") + "\x06" + id +
		"\x01" + "\x03" + text("bad")
	b, err := Decode([]byte(data))
	require.NoError(t, err)
	require.Equal(t, data, string(Append(nil, b)))

	all := schema.ID([]byte(id))
	low, high, err := schema.IDRange("0a")
	require.NoError(t, err)
	require.Equal(t, []plan.Condition{
		{ID: all, Index: 9},
		{OfList: true, Index: 9, List: lists.Query{
			Name: lists.Name{Kind: lists.Everything}, Variant: lists.NonTerminal | lists.Placements, IDs: lists.Range{Low: low, High: high}, Prefix: "0a",
		}},
	}, b.Conditions)
	require.EqualError(t, b.ConditionFaults[0], "bad ID")
	require.ErrorIs(t, b.ConditionFaults[0], schema.ErrInvalidID)
	require.NotErrorIs(t, b.ConditionFaults[0], schema.ErrInvalid)
	require.ErrorIs(t, b.Faults[0], schema.ErrInvalid)
	require.Len(t, b.Jobs, 2)
	for hash, j := range b.Jobs {
		require.Equal(t, record.HashJob(j.Body), hash)
		require.Equal(t, hash, j.Hash)
	}
	clientPart := plan.ClientPart(client[1:], "lost")
	first := plan.Op{Kind: plan.Upsert, ID: all, Sched: plan.SchedulerPart(sched[1:], ""), Client: clientPart, Report: "lost", Empty: 1<<1 | 1<<2}
	first.Job = b.Ops[0].Job
	require.Equal(t, job[1:], first.Job.Body)
	require.Equal(t, first, b.Ops[0])
	require.Equal(t, other[1:], b.Ops[1].Job.Body)
	require.Equal(t, plan.OptionalID{ID: all, Set: true}, b.Ops[1].Next)
	require.Equal(t, plan.OptionalID{ID: schema.ID{9}, Set: true}, b.Ops[2].Previous)
	require.Nil(t, b.Ops[2].Job)
	require.Equal(t, plan.Op{Kind: plan.Client, ID: all, Client: clientPart}, b.Ops[3])
	require.Equal(t, plan.Op{Kind: plan.Event, ID: all, Event: &plan.TaskEvent{Task: "t", State: "running", Event: schema.TaskEvent{Type: "x", Time: 300}}}, b.Ops[4])
	require.Equal(t, plan.Op{Kind: plan.ClientStatus, ID: all, Status: &plan.Status{Status: "s", Description: "d"}}, b.Ops[5])
	require.Equal(t, plan.Op{Kind: plan.Delete, ID: all}, b.Ops[6])
}

// TestDecodeRefuses has bytes that are not the one encoding of a batch, and the error of each.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	writes := func(all string) string { return "\x01\x00\x00\x00" + all + "\x00" }
	upsert := func(rest string) string { return writes("\x01\x01" + id + rest) }
	withJobs := func(jobs, writes string) string { return "\x01" + jobs + "\x00\x00" + writes + "\x00" }
	condition := func(c string) string { return "\x01\x00\x01" + c + "\x00\x00\x00" }
	var long schema.TaskState
	long.Events = ring(1)
	long.Restarts = 1
	dropped := schema.TaskState{Events: ring(11)}
	for name, c := range map[string]struct{ data, want string }{
		"nothing":                 {"", "malformed: offset 0: want a version"},
		"a longer number":         {"\x01\x80\x00\x00\x00\x00\x00", "offset 1: want a number of jobs"},
		"more than bytes":         {"\x01\x00\x00\x00\x7f", "offset 4: want a number of writes"},
		"a huge number":           {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "offset 1: want a number of jobs"},
		"a number without end":    {"\x01\xff", "offset 1: want a number of jobs"},
		"a byte more":             {"\x01\x00\x00\x00\x00\x00\x00", "offset 6: want the end"},
		"an unused job":           {withJobs("\x01"+job, "\x00"), "want a use of every job"},
		"a job twice":             {withJobs("\x02"+job+job, "\x00"), "offset 7: want another job"},
		"jobs out of order":       {withJobs("\x02"+job+other, "\x01\x01"+id+"\x02\x00"+sched+client), "write 0: malformed: offset 30: want the number of a job, in the order of first use"},
		"a job that is not there": {upsert("\x01\x00" + sched + client), "write 0: malformed: offset 22: want the number of a job"},
		"no job":                  {withJobs("\x01"+text("\xc0"), "\x00"), "1 bytes at offset 3: malformed: no job"},
		"a job with zero fields":  {withJobs("\x01"+text("\x92\xa1a\xa0"), "\x00"), "4 bytes at offset 3: job: malformed: offset 0: not in canonical form"},
		"no MessagePack":          {withJobs("\x01"+text("\xc1"), "\x00"), "1 bytes at offset 3: job: malformed: offset 0: want an array"},
		"a later field of a job":  {withJobs("\x01"+text("\xdc\x00\x20"+strings.Repeat("\xc0", 31)+"\x01"), "\x00"), "job: malformed: offset"},
		"a kind of condition":     {condition("\x05\x00\x00" + index), "condition 0: malformed: offset 3: want a kind of condition"},
		"a variant":               {condition("\x01\x04\x00" + index), "condition 0: malformed: offset 4: want a variant"},
		"a prefix in upper case":  {condition("\x04\x00" + text("A") + index), "condition 0: malformed: offset 5: want a prefix"},
		"a prefix with a dash":    {condition("\x04\x00" + text("0a0a0a0a-") + index), "offset 5: want a prefix"},
		"no prefix":               {condition("\x04\x00" + text("no") + index), "offset 5: want a prefix"},
		"a kind of write":         {writes("\x01\x07" + id), "write 0: malformed: offset 5: want a kind of write"},
		"the second write":        {writes("\x02\x06" + id + "\x00" + id), "write 1: malformed: offset 22: want a kind of write"},
		"a next allocation":       {upsert("\x00\x02" + sched + client), "write 0: malformed: offset 23: want 0 or 1"},
		"a previous allocation":   {upsert("\x00\x00" + previous("x") + client), `scheduler's part: PreviousAllocation "x": want an ID in lower case`},
		"an ID in upper case":     {upsert("\x00\x00" + previous(strings.ToUpper(schema.ID{0xab}.String())) + client), "want an ID in lower case"},
		"a long integer":          {upsert("\x00\x00" + text("\x93\xa0\xd9\x01n") + client), "scheduler's part: malformed"},
		"a long string":           {upsert("\x00\x00" + text("\x92\xa0\xd9\x01n") + client), "5 bytes at offset 25: scheduler's part: malformed: offset 2: not in canonical form"},
		"an empty part":           {upsert("\x00\x00" + text("") + client), "0 bytes at offset 25: scheduler's part: malformed: offset 0"},
		"an absent part":          {writes("\x01\x02" + id + text("\xc0")), "1 bytes at offset 23: client's part: malformed: offset 0: not in canonical form"},
		"maps out of order":       {writes("\x01\x02" + id + text("\x93\xa0\xa0\x82\xa1b\x90\xa1a\x90")), "client's part: malformed: offset 5: not in canonical form"},
		"an event of no task":     {writes("\x01\x03" + id + states(nil)), "malformed: want one event of one task"},
		"a task without a state":  {writes("\x01\x03" + id + states(map[string]*schema.TaskState{"t": nil})), "want one event of one task"},
		"two events":              {writes("\x01\x03" + id + states(map[string]*schema.TaskState{"t": {Events: ring(2)}})), "want one event of one task"},
		"dropped events":          {writes("\x01\x03" + id + states(map[string]*schema.TaskState{"t": &dropped})), "want one event of one task"},
		"two tasks":               {writes("\x01\x03" + id + states(map[string]*schema.TaskState{"t": {Events: ring(1)}, "u": {Events: ring(1)}})), "want one event of one task"},
		"an event with restarts":  {writes("\x01\x03" + id + states(map[string]*schema.TaskState{"t": &long})), "want one event of one task"},
		"an event and a status":   {writes("\x01\x03" + id + events(schema.Allocation{ClientStatus: "s", TaskStates: map[string]*schema.TaskState{"t": {Events: ring(1)}}})), "want one event of one task"},
		"a kind of fault":         {"\x01\x00\x00\x00\x00\x01\x04\x00", "offset 6: want a kind of fault"},
	} {
		_, err := Decode([]byte(c.data))
		require.ErrorIs(t, err, schema.ErrMalformed, name)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := Decode([]byte(upsert("\x00\x00" + sched + client)))
	require.NoError(t, err, "the pieces make a batch")
}

// TestDecodeMemory decodes the elements that take the most memory for their bytes. The bound is that
// of the package comment, and all that was allocated counts.
func TestDecodeMemory(t *testing.T) {
	const n = 20000
	number, least := string(appendNumber(nil, n)), string(appendEvent(nil, new(plan.TaskEvent)))
	for name, data := range map[string]string{
		"deletions":  "\x01\x00\x00\x00" + number + strings.Repeat("\x06"+id, n) + "\x00",
		"statuses":   "\x01\x00\x00\x00" + number + strings.Repeat("\x04"+id+"\x00\x00", n) + "\x00",
		"upserts":    "\x01\x00\x00\x00" + number + strings.Repeat("\x01"+id+"\x00\x00\x01\x90\x01\x90", n) + "\x00",
		"events":     "\x01\x00\x00\x00" + number + strings.Repeat("\x03"+id+least, n) + "\x00",
		"conditions": "\x01\x00" + number + strings.Repeat("\x01\x00\x00"+index, n) + "\x00\x00\x00",
		"faults":     "\x01\x00\x00\x00\x00" + number + strings.Repeat("\x00\x00", n),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode([]byte(data))
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		t.Logf("%s: %.1f times the bytes", name, float64(after.TotalAlloc-before.TotalAlloc)/float64(len(data)))
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(30*len(data)), name)
	}
}

// perByte and atLeast bound the memory for a part, as in the fuzz targets of package schema.
const (
	perByte = 1024
	atLeast = 64 << 10
)

// FuzzDecode decodes any bytes. There is no panic, memory is in proportion to the bytes, an error has
// its place, and the bytes of a batch are its only encoding.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x01\x02" + job + other + "\x02\x00" + id + index + "\x04\x03" + text("0a") + index + "\x01\x02" + text("bad ID") +
		"\x05\x01" + id + "\x01\x00" + sched + client + "\x01" + id + "\x02\x01" + id + previous(schema.ID{9}.String()) + client +
		"\x03" + id + event + "\x05" + id + text("s") + text("d") + "\x06" + id + "\x01\x03" + text("bad")))
	f.Add([]byte("\x01\x00\x01\x01\x02" + text("node") + index + "\x00\x01\x02" + id + client + "\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		own := bytes.Clone(data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, err := Decode(own)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(atLeast+perByte*len(data)), "memory must be in proportion to the bytes")
		if errors.Is(err, record.ErrFormatVersion) {
			require.NotEqual(t, byte(version), data[0])
			require.ErrorContains(t, err, fmt.Sprint(data[0]))
			return
		}
		if err != nil {
			require.ErrorIs(t, err, schema.ErrMalformed)
			require.ErrorContains(t, err, "offset ")
			return
		}
		clear(own)
		require.Equal(t, string(data), string(Append(nil, b)), "a batch has one encoding, and memory of its own")
	})
}
