package main

import (
	"slices"
	"strings"
)

// Names in the directory of a node.
const (
	newMetaName   = "snapshot.tmp"
	snapshotName  = "snapshot.json"
	arrivingName  = "snapshot.next.json"
	termsName     = "wal-meta.db"
	segmentSuffix = ".wal"
)

// memberMutants are nodes that vote alone and would lose something.
var memberMutants = []mutant{
	{"the snapshot's meta is written before the store is durable", metaBeforeStore},
	{"the log is cut before the snapshot's meta is durable", cutBeforeMeta},
	{"no sync of the directory after the rename", func(ops []Op) []Op {
		return without(ops, func(i int) bool {
			return ops[i].Kind == OpSyncDir && i > 0 && ops[i-1].Kind == OpRename && ops[i-1].To == snapshotName
		})
	}},
	{"no sync of the log", func(ops []Op) []Op {
		of := filesOf(ops)
		return without(ops, later(ops, func(i int) bool { return ops[i].Kind == OpSync && strings.HasSuffix(of[i], segmentSuffix) }))
	}},
	{"acknowledged before the log's sync", beforeLogSync},
	{"no sync of raft's term, vote and files", func(ops []Op) []Op {
		of := filesOf(ops)
		return without(ops, later(ops, func(i int) bool { return ops[i].Kind == OpSync && of[i] == termsName }))
	}},
}

// installMutants are nodes that would lose something when they take a snapshot of another node.
var installMutants = []mutant{
	{"the arriving snapshot's meta is renamed before the exchange", renamedBeforeExchange},
	{"no sync of the directory after the exchange", func(ops []Op) []Op {
		return without(ops, func(i int) bool { return ops[i].Kind == OpSyncDir && isExchange(ops, i-1) })
	}},
}

// filesOf returns, for each operation on a file, the last name that the file has had so far.
func filesOf(ops []Op) []string {
	d, last, all := newDevice(), make(map[int]string), make([]string, len(ops))
	for i := range ops {
		op := &ops[i]
		n := op.File
		if op.Kind == OpRename || op.Kind == OpUnlink {
			n = d.live[name{op.Dir, op.Name}]
		}
		d.do(op)
		switch {
		case op.Err != 0:
		case op.Kind == OpRename || op.Kind == OpLink:
			last[n] = op.To
		case op.Kind == OpCreate:
			last[n] = op.Name
		}
		all[i] = last[n]
		if n == d.root {
			all[i] = "."
		}
	}
	return all
}

// writtenMeta returns the operations that write a meta which then has that name.
func writtenMeta(ops []Op, from int, to string) (begin, end int) {
	for i := from; i < len(ops); i++ {
		if ops[i].Kind == OpRename && ops[i].Name == newMetaName && ops[i].To == to {
			begin = i
			for ops[begin].Kind != OpCreate && ops[begin].Kind != OpTruncate || ops[begin].Kind == OpCreate && ops[begin].Name != newMetaName {
				begin--
			}
			return begin, i + 2 // with the directory's sync
		}
	}
	return -1, -1
}

// afterCut returns the place after the log was cut that follows operation from: before the next append, or the next commit.
func afterCut(ops []Op, of []string, from int) int {
	for from < len(ops) && !(ops[from].Kind == OpWrite && (strings.HasSuffix(of[from], segmentSuffix) || of[from] == storeName)) {
		from++
	}
	return from
}

// metaBeforeStore moves the store's last commit before a snapshot after the cut of the log.
func metaBeforeStore(ops []Op) []Op {
	out := slices.Clone(ops)
	for from := 0; ; {
		begin, end := writtenMeta(out, from, snapshotName)
		if begin < 0 {
			return out
		}
		of := filesOf(out)
		commit := begin
		for commit > 0 && of[commit-1] == storeName && out[commit-1].Kind != OpNote {
			commit--
		}
		out = moved(out, commit, begin, afterCut(out, of, end))
		from = end
	}
}

// cutBeforeMeta moves the meta of a snapshot after the cut of the log.
func cutBeforeMeta(ops []Op) []Op {
	out := slices.Clone(ops)
	for from := 0; ; {
		begin, end := writtenMeta(out, from, snapshotName)
		if begin < 0 {
			return out
		}
		to := afterCut(out, filesOf(out), end)
		out, from = moved(out, begin, end, to), to
	}
}

// beforeLogSync acknowledges each index before the last sync of the log.
func beforeLogSync(ops []Op) []Op {
	of := filesOf(ops)
	var out []Op
	for i := range ops {
		at := len(out)
		if ops[i].Kind == OpNote {
			for at = i - 1; at >= 0 && !(ops[at].Kind == OpSync && strings.HasSuffix(of[at], segmentSuffix)); at-- {
			}
		}
		out = slices.Insert(out, at, ops[i])
	}
	return out
}

// isExchange reports whether operation i puts another file in the store's place.
func isExchange(ops []Op, i int) bool {
	return i >= 0 && ops[i].Kind == OpRename && ops[i].To == storeName
}

// renamedBeforeExchange moves the rename of a meta before that of the store.
func renamedBeforeExchange(ops []Op) []Op {
	out := slices.Clone(ops)
	for i := range out {
		if out[i].Kind != OpRename || out[i].Name != arrivingName {
			continue
		}
		at := i
		for at > 0 && !isExchange(out, at) && out[at].To != arrivingName {
			at--
		}
		if isExchange(out, at) {
			out = moved(out, i, i+2, at)
		}
	}
	return out
}

// moved returns the operations with those from begin to end before that at another place.
func moved(ops []Op, begin, end, to int) []Op {
	part := slices.Clone(ops[begin:end])
	if to >= end {
		return slices.Concat(ops[:begin], ops[end:to], part, ops[to:])
	}
	return slices.Concat(ops[:to], part, ops[to:begin], ops[end:])
}
