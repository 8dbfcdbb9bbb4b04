package main

import (
	"fmt"
	"hash/maphash"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// linearTime bounds the search for one register.
const linearTime = 10 * time.Second

// A registerInput is a read, a write, or a write on the condition that the register has a value.
type registerInput struct {
	read, compare bool
	old, new      string
}

var seed = maphash.MakeSeed()

// register is the model of one register, without indexes. Its value is the text of the last write, which is unique. An
// output is the value that was read, or the kind of the answer to a write.
var register = porcupine.Model{
	Init:  func() any { return "" },
	Equal: func(a, b any) bool { return a == b },
	Hash:  func(s any) uint64 { return maphash.String(seed, s.(string)) },
	Step: func(s, in, out any) (bool, any) {
		op := in.(registerInput)
		holds := !op.compare || op.old == s
		switch {
		case op.read:
			return out == s, s
		case out == kindUnknown && !holds:
			return true, s
		case out == kindUnknown, out == kindOK && holds:
			return true, op.new
		}
		return out == kindConflict && !holds, s
	},
}

// linear looks for an order of the calls on each register that explains the replies.
func (k *checker) linear() {
	for id := registerFirst; id < registerFirst+registers; id++ {
		ops := k.registerOps(id)
		switch porcupine.CheckOperationsTimeout(register, ops, linearTime) {
		case porcupine.Ok:
			k.counts["registers, linearizable"]++
		case porcupine.Unknown:
			k.counts["registers, search ended early"]++
		default:
			k.rec.fault("no order explains what was seen of register %d, in %d calls", id, len(ops))
		}
	}
}

// registerOps returns the calls on a register. The value at the beginning is that of a first write. A write of an unknown
// outcome may take effect at any later time, and is left out if the feed does not have it.
func (k *checker) registerOps(id int) []porcupine.Operation {
	first := k.rows[id]
	ops := []porcupine.Operation{{Input: registerInput{new: first.last()}, Output: kindOK, Call: -2, Return: -1}}
	values := map[uint64]string{first.Modify: first.last()}
	for _, r := range k.pasts[id] {
		values[r.Modify] = r.last()
	}
	for _, c := range k.rec.calls {
		op := porcupine.Operation{ClientId: c.Client + 1, Call: c.Begin, Return: c.End}
		switch {
		case c.Op == opRead && c.Kind == kindOK && c.ID == id:
			op.Input, op.Output = registerInput{read: true}, c.Row.last()
		case c.Op == opWrite && c.Batch.Writes[0].ID == id && (c.Kind == kindOK || c.Kind == kindConflict || c.Kind == kindUnknown):
			in := registerInput{new: c.Token}
			if len(c.Batch.If) > 0 {
				old, known := values[c.Batch.If[0].Index]
				if !known {
					old = fmt.Sprint("of index ", c.Batch.If[0].Index)
				}
				in.compare, in.old = true, old
			}
			if op.Input, op.Output = in, c.Kind; c.Kind == kindUnknown {
				if op.Return = math.MaxInt64; k.applied[c.Token] == 0 {
					continue
				}
			}
		default:
			continue
		}
		ops = append(ops, op)
	}
	return ops
}

// batchToken returns the token of the batch that wrote a text: a batch adds a number for each of its writes.
func batchToken(text string) string {
	parts := strings.SplitN(text, ".", 4)
	return strings.Join(parts[:min(len(parts), 3)], ".")
}
