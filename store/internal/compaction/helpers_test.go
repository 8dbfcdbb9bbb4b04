package compaction

import (
	"math/rand/v2"
	"slices"

	"allocstore/schema"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/record"
)

// An author writes random batches, and remembers which allocations exist.
type author struct {
	*rand.Rand
	*logtest.Log
	ids   int
	alive map[schema.ID]bool
}

func newAuthor(seed uint64, l *logtest.Log, ids int) *author {
	return &author{rand.New(rand.NewPCG(seed, 0)), l, ids, make(map[schema.ID]bool)}
}

// batch returns up to n writes that are valid now: allocations are placed, updated by the scheduler
// or the client or both, deleted, and placed again.
func (a *author) batch(n int) []logtest.Write {
	writes := make([]logtest.Write, 0, n)
	for range 1 + a.IntN(n) {
		id := schema.ID{byte(a.IntN(a.ids)), byte(a.IntN(2))}
		if slices.ContainsFunc(writes, func(w logtest.Write) bool { return w.ID == id }) {
			continue
		}
		w := logtest.Write{ID: id, Flags: logtest.Placed, Job: string(rune('a' + a.IntN(3))), Text: string(make([]byte, a.IntN(100)))}
		if a.alive[id] {
			w.Flags = []record.Flags{record.FlagSched, record.FlagClient, record.FlagClient, logtest.Placed, record.FlagTombstone}[a.IntN(5)]
		}
		a.alive[id] = w.Flags != record.FlagTombstone
		writes = append(writes, w)
	}
	return writes
}

// A judgement is that of the oracle about one record at or below a floor.
type judgement struct{ dead, forget bool }

// judge is the oracle of a window: it replays all records, in the order of their keys, and returns
// a judgement of each one that is dead at the floor.
func judge(all []logfile.Entry, floor uint64) map[record.Key]judgement {
	type version struct{ sched, client, newest record.Key }
	after := func(v version, e *logfile.Entry) version {
		if v.newest = e.Key; e.Flags&(record.FlagSched|record.FlagTombstone) != 0 {
			v.sched = e.Key
		}
		if e.Flags&(record.FlagClient|record.FlagTombstone) != 0 {
			v.client = e.Key
		}
		return v
	}
	atFloor, now := make(map[schema.ID]version), make(map[schema.ID]version)
	for i := range all {
		e := &all[i]
		now[e.ID] = after(now[e.ID], e)
		if e.Key.Index <= floor {
			atFloor[e.ID] = now[e.ID]
		}
	}
	judged := make(map[record.Key]judgement)
	for i := range all {
		e := &all[i]
		v := atFloor[e.ID]
		switch {
		case e.Key.Index > floor:
		case e.Key != v.sched && e.Key != v.client:
			judged[e.Key] = judgement{dead: true}
		case e.Flags == record.FlagTombstone && now[e.ID].newest == e.Key:
			judged[e.Key] = judgement{dead: true, forget: true}
		}
	}
	return judged
}
