package histories

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// Kinds of writes.
const (
	kindUpsert = "upsert"
	kindClient = "client"
	kindEvent  = "event"
	kindDelete = "delete"

	kindStatus  = "status"  // SetClientStatus
	kindDesired = "desired" // SetDesiredStatus
)

// A row is one allocation of the model. Rows are values: their shared parts never change.
type row struct {
	create, modify, alloc uint64
	name, desired, desc   string
	events                []string
	dropped               uint64
}

// text is the whole row in one line, "" if it is absent.
func (r *row) text() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("c%d m%d a%d %s", r.create, r.modify, r.alloc, r.content())
}

// content is the text without the indexes.
func (r *row) content() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%s/%s/%s +%d%v", r.name, r.desired, r.desc, r.dropped, r.events)
}

// contentOf returns the content in a text.
func contentOf(text string) string {
	for range 3 {
		_, text, _ = strings.Cut(text, " ")
	}
	return text
}

// rowOf is the inverse of content.
func rowOf(content string) *row {
	if content == "" {
		return nil
	}
	names, rest, _ := strings.Cut(content, " +")
	r := new(row)
	r.name, names, _ = strings.Cut(names, "/")
	r.desired, r.desc, _ = strings.Cut(names, "/")
	dropped, events, _ := strings.Cut(rest, "[")
	r.dropped, _ = strconv.ParseUint(dropped, 10, 64)
	r.events = strings.Fields(strings.TrimSuffix(events, "]"))
	return r
}

// apply returns the row after a write at an index, and whether the write changed it.
func (r *row) apply(w write, index uint64) (*row, bool) {
	switch {
	case w.Kind == kindUpsert && r == nil:
		return &row{create: index, modify: index, alloc: index, name: w.Token}, true
	case r == nil:
		return nil, false
	case w.Kind == kindDelete:
		return nil, true
	}
	next := *r
	next.modify = index
	switch w.Kind {
	case kindUpsert:
		next.alloc, next.name, next.desired = index, w.Token, ""
	case kindDesired:
		next.alloc, next.desired = index, w.Token
	case kindStatus:
		next.desc = w.Token
	case kindClient:
		next.desc, next.events, next.dropped = w.Token, nil, 0
	case kindEvent:
		next.events = append(slices.Clone(r.events), w.Token)
		if len(next.events) > schema.MaxTaskEvents {
			next.events = next.events[1:]
			next.dropped++
		}
	}
	return &next, true
}

// TestRowOf checks that rowOf is the inverse of content.
func TestRowOf(t *testing.T) {
	for _, r := range []*row{nil, {}, {name: "1.2.3", desired: "4.4.4", desc: "4.5.6", events: []string{"7.8.9", "1.1.1"}, dropped: 12}} {
		require.Equal(t, r.content(), rowOf(r.content()).content())
	}
	require.Equal(t, "a/c/b +0[]", contentOf((&row{create: 3, modify: 4, alloc: 5, name: "a", desired: "c", desc: "b"}).text()))
}

// Names that all allocations share.
const (
	job  = "job"
	task = "web"
)

func idOf(n int) string   { return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(n)*0x9e3779b1, n) }
func nodeOf(n int) string { return fmt.Sprint("node", n) }

// numberOf is the inverse of idOf.
func numberOf(id string) int {
	var n int
	if _, err := fmt.Sscanf(id[strings.LastIndexByte(id, '-')+1:], "%x", &n); err != nil || idOf(n) != id {
		return -1
	}
	return n
}

// textOf is row.text of an allocation from the store. Content of another allocation gives a
// text that no row has.
func textOf(n int, a *schema.Allocation) string {
	if a == nil {
		return ""
	}
	if a.ID != idOf(n) || a.NodeID != nodeOf(n) || a.Job == nil || a.Job.ID != job {
		return fmt.Sprintf("not %s but %+v", idOf(n), a)
	}
	r := row{create: a.CreateIndex, modify: a.ModifyIndex, alloc: a.AllocModifyIndex, name: a.Name, desired: a.DesiredDescription, desc: a.ClientDescription}
	if ts := a.TaskStates[task]; ts != nil {
		r.dropped = ts.Events.Dropped()
		for ev := range ts.Events.All() {
			r.events = append(r.events, ev.Message)
		}
	}
	return r.text()
}
