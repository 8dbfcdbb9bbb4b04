package histories

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/anishathalye/porcupine"
)

// The second checker of nodes ignores indexes. A node is a register that the schedulers compare and
// write: a write on the condition that a node has not changed takes effect if and only if the
// node has the version that its client saw last. As with the allocations, it looks at one
// node and one run at a time.

// A register is the state of a node. Registers are values: their maps never change.
type register struct {
	names   map[int]string // by allocation on the node
	alive   map[int]bool   // by allocation that is not terminal
	version int            // the number of changes of the list
	seen    map[int]int    // by client: the version at its last read
	text    string         // the whole state
}

func newRegister(all []member, node string) register {
	r := register{names: make(map[int]string), alive: make(map[int]bool)}
	for _, m := range all {
		if m.Node == node {
			r.names[m.ID] = m.Name
			if !m.terminal() {
				r.alive[m.ID] = true
			}
		}
	}
	return r.done()
}

// done returns the register with its text.
func (r register) done() register {
	text := strconv.AppendInt(nil, int64(r.version), 10)
	for id := range pool {
		if name, here := r.names[id]; here {
			text = strconv.AppendBool(append(strconv.AppendInt(append(text, ' '), int64(id), 10), name...), r.alive[id])
		}
	}
	for client := range schedulers + nodeClients {
		text = strconv.AppendInt(append(text, ','), int64(r.seen[client]), 10)
	}
	r.text = string(text)
	return r
}

// list is the list of the allocations that are not terminal.
func (r register) list() string {
	var all []string
	for id := range r.alive {
		all = append(all, fmt.Sprint(id, "=", r.names[id]))
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

// apply returns the register of node n after a write.
func (r register) apply(n int, writes []write) register {
	next := register{names: maps.Clone(r.names), alive: maps.Clone(r.alive), version: r.version, seen: r.seen}
	for _, w := range writes {
		_, here := next.names[w.ID]
		was := next.alive[w.ID]
		switch {
		case w.Kind == kindUpsert && w.Node == n:
			next.names[w.ID], next.alive[w.ID] = w.Token, true
			next.version++
			continue
		case !here:
			continue
		case w.Kind == kindStatus && w.Alive:
			next.alive[w.ID] = true
		case w.Kind == kindStatus:
			delete(next.alive, w.ID)
		default: // deleted, or moved to another node
			delete(next.names, w.ID)
			delete(next.alive, w.ID)
		}
		if next.alive[w.ID] != was {
			next.version++
		}
	}
	return next.done()
}

// A nodeInput is a read, if it has no writes, or a write.
type nodeInput struct {
	client, node int
	writes       []write
	expects      bool
}

// registers is the model of one node. The input of the opening is the register itself. The output
// of a read is a text, that of a write the outcome.
var registers = porcupine.Model{
	Init:  func() any { return register{} },
	Equal: func(a, b any) bool { return a.(register).text == b.(register).text },
	Hash:  func(s any) uint64 { return maphash.String(seed, s.(register).text) },
	Step: func(s, in, out any) (bool, any) {
		was := s.(register)
		first, opening := in.(register)
		if opening {
			return true, first
		}
		op := in.(nodeInput)
		if len(op.writes) == 0 {
			if out != was.list() {
				return false, was
			}
			next := was
			next.seen = maps.Clone(was.seen)
			if next.seen == nil {
				next.seen = make(map[int]int)
			}
			next.seen[op.client] = was.version
			return true, next.done()
		}
		holds := !op.expects || was.seen[op.client] == was.version
		next := was
		if holds {
			next = was.apply(op.node, op.writes)
		}
		return out == "unknown" || holds == (out == ""), next
	},
}

// checkRegisters searches the runs from and to of a history, and those between.
func checkRegisters(o *listHistory, from, to int) *verdict {
	type part struct{ run, node int }
	parts := make(chan part)
	v := new(verdict)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for p := range parts {
				result := porcupine.CheckOperationsTimeout(registers, o.registerOps(p.run, p.node), linearTime)
				mu.Lock()
				switch result {
				case porcupine.Ok:
					v.legal++
				case porcupine.Unknown:
					v.unknown++
				default:
					v.faults = append(v.faults, fmt.Sprintf("no order explains what was seen of node %d in run %d", p.node, p.run))
				}
				mu.Unlock()
			}
		})
	}
	for _, open := range o.opens {
		for n := range nodeCount {
			if open.Run >= from && open.Run <= to {
				parts <- part{open.Run, n}
			}
		}
	}
	close(parts)
	workers.Wait()
	return v
}

// registerOps returns the operations of one run on one node.
func (o *listHistory) registerOps(run, n int) (ops []porcupine.Operation) {
	add := func(c call, in, out any) {
		ops = append(ops, porcupine.Operation{ClientId: max(c.Client, 0), Input: in, Call: c.Begin, Output: out, Return: c.End})
	}
	ended := false
	for _, c := range o.replies {
		switch {
		case c.Op == opOpen && c.Run == run:
			c.End = c.Begin
			add(c, newRegister(c.Members, nodeOf(n)), "")
		case (c.Op == opOpen && c.Run > run || c.Op == opEnd && c.Run == run) && !ended:
			ended = true
			add(c, nodeInput{client: -1, node: n}, newRegister(c.Members, nodeOf(n)).list())
		case c.Op == opRead && c.Run == run && c.List == n:
			add(c, nodeInput{client: c.Client, node: n}, newRegister(c.Members, nodeOf(n)).list())
		}
	}
	was := make(map[int]bool) // on the node at any time
	for id, past := range o.pasts {
		was[id] = slices.ContainsFunc(past, func(m member) bool { return m.Node == nodeOf(n) })
	}
	for i, c := range slices.Concat(o.answered, o.flights) {
		if c.Run != run {
			continue
		}
		expects := slices.ContainsFunc(c.If, func(cond condition) bool { return cond.ID < 0 && cond.List == n })
		touches := slices.ContainsFunc(c.Writes, func(w write) bool { return was[w.ID] || w.Kind == kindUpsert && w.Node == n })
		out := c.Outcome
		if i >= len(o.answered) {
			out = "unknown"
		}
		if refused := out == conflict; !expects && !touches || refused && (c.Failed.ID >= 0 || c.Failed.List != n || o.byFloor(c)) {
			continue // another condition was not met
		}
		add(c, nodeInput{c.Client, n, c.Writes, expects}, out)
	}
	return ops
}

// byFloor reports whether a list is in conflict only since compaction has forgotten its past.
func (o *listHistory) byFloor(c call) bool { return o.found(c.Failed, c.Index) != c.Index }
