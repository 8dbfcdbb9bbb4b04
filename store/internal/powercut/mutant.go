package main

import (
	"slices"
	"syscall"
)

// A mutant is a store that would lose something. Its log is that of a good store, without the
// operations that the mutant would not have done.
type mutant struct {
	name string
	ops  func([]Op) []Op
}

// mutants must be found at fault, or the harness proves nothing.
var mutants = []mutant{
	{"no sync of a new file", func(ops []Op) []Op { return without(ops, func(i int) bool { return ops[i].Kind == OpSync }) }},
	{"no sync", func(ops []Op) []Op {
		return without(ops, later(ops, func(i int) bool { return ops[i].Kind == OpSync }))
	}},
	{"no sync of the meta page", func(ops []Op) []Op {
		return without(ops, later(ops, func(i int) bool { return afterMeta(ops, i) }))
	}},
	{"no sync before the meta page", func(ops []Op) []Op {
		return without(ops, later(ops, func(i int) bool { return ops[i].Kind == OpSync && !afterMeta(ops, i) }))
	}},
	{"no sync of the directory", func(ops []Op) []Op { return without(ops, func(i int) bool { return ops[i].Kind == OpSyncDir }) }},
	{"no sync of the directory after a rename", func(ops []Op) []Op {
		return without(ops, func(i int) bool { return ops[i].Kind == OpSyncDir && i > 0 && ops[i-1].Kind == OpRename })
	}},
	{"acknowledged, or seen by a reader, before the commit", early},
}

// without returns the log with the selected syncs failed, so that they do nothing.
func without(ops []Op, drop func(i int) bool) []Op {
	out := slices.Clone(ops)
	for i := range out {
		if drop(i) {
			out[i].Err = syscall.EIO
		}
	}
	return out
}

// later restricts drop to the operations after the store was created.
func later(ops []Op, drop func(i int) bool) func(i int) bool {
	created := slices.IndexFunc(ops, func(op Op) bool { return op.Kind == OpNote })
	return func(i int) bool { return i > created && drop(i) }
}

// afterMeta reports whether operation i syncs a meta page that was just written.
func afterMeta(ops []Op, i int) bool {
	return i > 0 && ops[i].Kind == OpSync && ops[i-1].Kind == OpWrite && ops[i-1].At < 2*pageSize
}

// early returns the log with each index acknowledged before it is durable.
func early(ops []Op) []Op {
	var out, held []Op
	for i := range ops {
		if op := ops[i]; op.Kind == OpNote && op.At > 1 {
			out = append(out, op)
			continue
		}
		if i > 0 && ops[i-1].Kind == OpNote {
			out, held = append(out, held...), nil
		}
		held = append(held, ops[i])
	}
	return append(out, held...)
}
