package main

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// A change turns the record of a good run into a wrong one. It reports whether the call is a place for it.
type change struct {
	name  string
	fault string // part of the report
	make  func(w *wrong, c *call) bool
}

// A wrong is a copy of a part, to be changed.
type wrong struct {
	*part
	last contentAnswer
}

// older returns the version of an allocation before the one that a call shows. A fresh call may not show it: the newer one was
// answered before it began.
func (w *wrong) older(c *call, fresh bool) (row, bool) {
	var before row
	for _, index := range slices.Sorted(maps.Keys(w.rec.feed)) {
		for _, r := range w.rec.feed[index] {
			if r.ID != c.ID {
				continue
			}
			if r == c.Row {
				return before, before.Modify > 0 && (!fresh || w.answered(index, c.Begin))
			}
			before = r
		}
	}
	return before, false
}

func (w *wrong) answered(index uint64, before int64) bool {
	return slices.ContainsFunc(w.rec.calls, func(c call) bool {
		return c.Op == opWrite && c.Kind == kindOK && c.Index == index && c.End < before
	})
}

func (c *call) is(op string) bool { return c.Op == op && c.Kind == kindOK }

// writes are those of an acknowledged write.
func (c *call) writes() []write {
	if !c.is(opWrite) {
		return nil
	}
	return c.Batch.Writes
}

// changed is the outcome of a wait that was told of a change.
var changed = store.Changed.String()

var changes = []change{
	{"an acknowledged write is lost", "an acknowledged write is lost", func(w *wrong, c *call) bool {
		_, there := w.rec.feed[c.Index]
		delete(w.rec.feed, c.Index)
		return c.is(opWrite) && there
	}},
	{"a refused write is there", "that was refused", func(w *wrong, c *call) bool {
		ok := c.is(opWrite) && w.rec.feed[c.Index] != nil && c.Batch.Writes[0].Kind == kindEvent
		c.Kind = kindConflict
		return ok
	}},
	{"a write has another index", "answered with another index", func(_ *wrong, c *call) bool {
		c.Index += 1 << 20
		return c.is(opWrite) && c.Batch.Writes[0].Kind == kindEvent
	}},
	{"a write is there twice", "a write is applied twice", func(w *wrong, c *call) bool {
		again := w.rec.fed + 1
		for _, wr := range c.writes() {
			i := slices.IndexFunc(w.last.Rows, func(r row) bool { return r.ID == wr.ID })
			if wr.Kind != kindUpsert || i < 0 || w.last.Rows[i].Name == wr.Token {
				continue // only a text that is gone is a new one
			}
			r := w.last.Rows[i]
			r.Modify, r.Name = again, wr.Token
			w.rec.feed[again] = []row{r}
			return true
		}
		return false
	}},
	{"a condition did not hold", "whose condition", func(_ *wrong, c *call) bool {
		if !c.is(opWrite) || len(c.Batch.If) == 0 || c.Batch.If[0].ID == 0 {
			return false
		}
		b := *c.Batch
		b.If = []condition{{ID: b.If[0].ID, Index: 1}}
		c.Batch = &b
		return true
	}},
	{"a conflict has no reason", "a conflict without a reason", func(w *wrong, c *call) bool {
		if c.Op != opWrite || c.Kind != kindConflict || c.Failed != c.Batch.If[0].ID || c.Failed == 0 || !w.answered(c.Actual, c.Begin) {
			return false
		}
		b := *c.Batch
		b.If = []condition{{ID: c.Failed, Index: c.Actual}}
		c.Batch, c.End = &b, c.Begin
		return true
	}},
	{"a write has another effect", "and the feed has", func(w *wrong, c *call) bool {
		rows := slices.Clone(w.rec.feed[c.Index])
		if !c.is(opWrite) || len(rows) == 0 {
			return false
		}
		rows[0].Job += "!"
		w.rec.feed[c.Index] = rows
		return true
	}},
	{"a write is before an earlier one", "which must be above", func(w *wrong, c *call) bool {
		c.Begin, c.End = c.Begin+int64(time.Hour), c.End+int64(time.Hour)
		return c.is(opWrite) && w.rec.feed[c.Index] != nil && c.Index+10 < w.rec.fed
	}},
	{"a linearizable read is stale", "a linearizable read shows index", func(w *wrong, c *call) bool {
		ok := c.is(opRead) && w.answered(c.Index, c.Begin)
		c.Index--
		return ok
	}},
	{"a linearizable read has an old row", "was not so at any index", func(w *wrong, c *call) bool {
		was, ok := w.older(c, true)
		c.Row = was
		return ok && c.is(opRead)
	}},
	{"no order explains a register", "no order explains", func(w *wrong, c *call) bool {
		was, ok := w.older(c, true)
		c.Row = was
		return ok && c.is(opRead)
	}},
	{"a stale read has a row of its future", "was not so at any index", func(w *wrong, c *call) bool {
		ok := c.is(opStale) && c.Row.Events != ""
		c.Row.Events += " 9.9.9"
		return ok
	}},
	{"an own write is not there", "was not so at any index", func(w *wrong, c *call) bool {
		was, ok := w.older(c, true)
		c.Row = was
		return ok && c.is(opOwn)
	}},
	{"a wait has an old row", "that is no change above", func(w *wrong, c *call) bool {
		was, ok := w.older(c, false)
		c.Row = was
		return ok && c.is(opWait) && c.Outcome == changed
	}},
	{"a wait returns nothing new", "that is no change above", func(_ *wrong, c *call) bool {
		c.Min = c.Index
		return c.is(opWait) && c.Outcome == changed
	}},
	{"the index of a wait goes back", "an index goes back", func(_ *wrong, c *call) bool {
		ok := c.is(opWait) && c.Outcome == store.TimedOut.String()
		c.Index = c.Min - 1
		return ok
	}},
	{"a wait is never told", "was not told of", func(w *wrong, c *call) bool {
		client := c.Client
		ok := c.is(opWait) && c.Outcome == changed
		for i := range w.rec.calls {
			if other := &w.rec.calls[i]; other.Client == client && other.Op == opWait {
				other.Outcome = store.TimedOut.String()
			}
		}
		return ok
	}},
	{"a list lacks a change", "the members that arrived or changed", func(_ *wrong, c *call) bool {
		if !c.is(opList) || len(c.Changed) == 0 {
			return false
		}
		c.Changed = c.Changed[1:]
		return true
	}},
	{"a list lacks a departure", "the departures are", func(_ *wrong, c *call) bool {
		if !c.is(opList) || len(c.Gone) == 0 {
			return false
		}
		c.Gone = c.Gone[1:]
		return true
	}},
	{"a list has an old member", "the list had no such member", func(_ *wrong, c *call) bool {
		if !c.is(opList) || len(c.Changed) == 0 {
			return false
		}
		c.Changed = slices.Clone(c.Changed)
		c.Changed[0].Why += "!"
		return true
	}},
	{"a list times out over a change", "was there to be seen", func(_ *wrong, c *call) bool {
		ok := c.is(opList) && c.Outcome == changed
		c.Outcome, c.Changed, c.Gone = store.TimedOut.String(), nil, nil
		return ok
	}},
	{"a list has another index", "the index of the list is", func(_ *wrong, c *call) bool {
		ok := c.is(opList) && c.Outcome == changed && c.Index > c.Min+1 && len(c.Gone) == 0 &&
			!slices.ContainsFunc(c.Changed, func(r row) bool { return r.Modify != c.Index })
		c.Index--
		return ok
	}},
	{"compaction is too early", "may have forgotten", func(_ *wrong, c *call) bool {
		ok := c.is(opList) && c.Outcome == changed
		c.Outcome, c.Full = store.Compacted.String(), true
		return ok
	}},
	{"a feed skips a batch", "the feed skips a batch", func(w *wrong, c *call) bool {
		ok := c.is(opResume) && c.Min > w.base+1 || c.Op == opResume && c.Min > w.base+1
		c.Min--
		return ok && w.rec.feed[c.Min+1] != nil
	}},
	{"a stream lacks a change", "the changes of the list at", func(_ *wrong, c *call) bool {
		if c.Op != opFollow || len(c.Changed) == 0 {
			return false
		}
		c.Changed = c.Changed[1:]
		return true
	}},
	{"a stream skips a batch", "the change of the list after", func(w *wrong, c *call) bool {
		ok := c.Op == opFollow && c.Min > w.base+1
		c.Min = w.base
		return ok
	}},
	{"a stream ends early", "was told of the changes up to", func(w *wrong, c *call) bool {
		client := c.Client
		ok := c.Op == opFollow
		for i := range w.rec.calls {
			if other := &w.rec.calls[i]; other.Client == client && other.Op == opFollow {
				*other = call{}
			}
		}
		return ok
	}},
	{"the end has another content", "at the end there is", func(w *wrong, _ *call) bool {
		w.last.Rows[0].Why = "!"
		return true
	}},
	{"the end lacks an allocation", "at the end this is lost", func(w *wrong, _ *call) bool {
		w.last.Rows = w.last.Rows[1:]
		return true
	}},
}

// TestWrongHistories: the checks find each change of the record of a good run.
func TestWrongHistories(t *testing.T) {
	t.Parallel()
	r := newRunner(config{time: 4 * time.Second, part: 4 * time.Second, seed: 1, dir: t.TempDir(), only: []string{"nothing"}}, io.Discard)
	require.NoError(t, r.whole(t.Context()), "%v", r.r)
	good := r.last
	w := good.copy()
	w.check(&w.last)
	require.Empty(t, w.rec.faults, "the copy is good")
	for _, ch := range changes {
		t.Run(ch.name, func(t *testing.T) {
			tried := 0
			for i := range good.rec.calls {
				w := good.copy()
				n := len(w.rec.calls)
				if !ch.make(w, &w.rec.calls[(n/2+i)%n]) {
					continue
				}
				w.check(&w.last)
				require.True(t, slices.ContainsFunc(w.rec.faults, func(f string) bool { return strings.Contains(f, ch.fault) }), "%q", w.rec.faults)
				tried++
				break
			}
			require.NotZero(t, tried, "there is no place for it")
		})
	}
}

// copy returns a copy that may be changed: calls, the feed, and the content at the end.
func (p *part) copy() *wrong {
	w := &wrong{part: &part{c: p.c, number: p.number, seed: p.seed, base: p.base, rows: p.rows, rec: newRecorder(p.base)}, last: *p.content}
	w.rec.calls, w.rec.feed, w.rec.fed = slices.Clone(p.rec.calls), maps.Clone(p.rec.feed), p.rec.fed
	w.last.Rows = slices.Clone(p.content.Rows)
	w.end.Store(p.settled())
	return w
}
