package histories

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// The second checker ignores indexes and compares contents. It looks at one allocation and
// one run at a time: the first state of a run is that of its opening, the last state that of
// the next opening. So at most perGroup calls are under way at once, and a history is never
// long.

// linearTime bounds the search for one allocation in one run.
const linearTime = 20 * time.Second

// A state is an allocation without its indexes.
type state struct {
	*row
	text string
}

func newState(r *row) state { return state{r, r.content()} }

// An input is a write, or a read if it is nil.
type input struct {
	*write
}

// An output is a reply: a write's, with found if the allocation was present; or a read's,
// with the content. Of a write in flight nothing is known.
type output struct {
	found   bool
	text    string
	unknown bool // in flight
}

var seed = maphash.MakeSeed()

// linear is the model of one allocation. The input of the opening is the row itself.
var linear = porcupine.Model{
	Init:  func() any { return newState(nil) },
	Equal: func(a, b any) bool { return a.(state).text == b.(state).text },
	Hash:  func(s any) uint64 { return maphash.String(seed, s.(state).text) },
	Step: func(s, in, out any) (bool, any) {
		was, told := s.(state), out.(output)
		switch in := in.(type) {
		case *row:
			return true, newState(in)
		case input:
			if in.write == nil {
				return told.text == was.text, was
			}
			next, did := was.apply(*in.write, 0)
			return told.unknown || told.found == did, newState(next)
		}
		return false, was
	},
}

// A verdict has the results of the searches, one for each allocation and run.
type verdict struct {
	legal, unknown int
	faults         []string
}

// checkLinear searches the runs from and to of a history, and those between.
func checkLinear(calls []call, from, to int) *verdict {
	h := newHistory(calls)
	type part struct{ run, id int }
	parts := make(chan part)
	v := new(verdict)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for p := range parts {
				result := porcupine.CheckOperationsTimeout(linear, h.operations(p.run, p.id), linearTime)
				mu.Lock()
				switch result {
				case porcupine.Ok:
					v.legal++
				case porcupine.Unknown:
					v.unknown++
				default:
					v.faults = append(v.faults, fmt.Sprintf("no order explains what was seen of %d in run %d", p.id, p.run))
				}
				mu.Unlock()
			}
		})
	}
	for _, open := range h.opens {
		if open.Run < from || open.Run > to {
			continue
		}
		for n := range total {
			parts <- part{open.Run, n}
		}
	}
	close(parts)
	workers.Wait()
	return v
}

// operations returns the calls of one run on one allocation.
func (h *history) operations(run, id int) (ops []porcupine.Operation) {
	add := func(c call, in, out any) {
		ops = append(ops, porcupine.Operation{ClientId: max(c.Client, 0), Input: in, Call: c.Begin, Output: out, Return: c.End})
	}
	ended := false
	for _, c := range h.replies {
		text, told := c.Rows[id]
		switch {
		case c.Op == opOpen && c.Run == run:
			c.End = c.Begin
			add(c, rowOf(contentOf(text)), output{})
		case (c.Op == opOpen && c.Run > run || c.Op == opEnd && c.Run == run) && !ended:
			ended = true
			add(c, input{}, output{text: contentOf(text)})
		case c.Run == run && told && (c.Op == opGet || c.Op == opWait && c.news()):
			add(c, input{}, output{text: contentOf(text)})
		}
	}
	writes := func(of []call, unknown bool) {
		for _, c := range of {
			for _, w := range c.Writes {
				if c.Run == run && w.ID == id {
					add(c, input{&w}, output{unknown: unknown, found: !slices.Contains(c.Unknown, id)})
				}
			}
		}
	}
	writes(h.answered, false)
	writes(h.flights, true)
	return ops
}
