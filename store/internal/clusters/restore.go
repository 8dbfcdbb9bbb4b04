package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"allocstore/store"
)

// restore is an operator's restore, between two parts: it takes a backup, has something written, and restores the backup
// while readers wait on all nodes. At times a node is killed meanwhile. All nodes must then have the content of the backup
// at one index, and every reader must be told; or nothing has changed, if the leader was lost.
func (r *runner) restore(ctx context.Context) error {
	r.n.count("restore a backup")
	leads, err := r.c.leader(ctx)
	if err != nil {
		return err
	}
	backup, err := leads.backup(ctx)
	if err != nil {
		return err
	}
	if err := r.scribble(ctx, leads); err != nil {
		return err
	}
	before := leads.content(ctx)
	if before.Kind != kindOK {
		return fmt.Errorf("the content: %s", before.Error)
	}
	told := make(chan waitAnswer, machines)
	var waits sync.WaitGroup
	for _, m := range r.c.members() {
		waits.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience/2)
			defer cancel()
			told <- m.wait(ctx, &waitQuery{IDs: []int{registerFirst}, Min: before.Index, Milli: int(patience.Milliseconds())})
		})
	}
	heal := r.n.killDuring(r.c)
	f := leads.restore(ctx, backup)
	heal()
	r.n.count("restore a backup: " + f.Kind)
	return r.restored(ctx, &before, f, func() []waitAnswer {
		waits.Wait()
		close(told)
		var all []waitAnswer
		for a := range told {
			all = append(all, a)
		}
		return all
	})
}

// killDuring kills a node soon, or does nothing. What it returns starts the node again.
func (n *nemesis) killDuring(c *cluster) (heal func()) {
	if n.with.IntN(2) == 0 {
		return func() {}
	}
	all := c.members()
	m, after := all[n.with.IntN(len(all))], time.Duration(n.with.IntN(60))*time.Millisecond
	healed := make(chan func(), 1)
	go func() {
		time.Sleep(after)
		healed <- n.killThese([]*machine{m})
	}()
	return func() {
		if h := <-healed; h != nil {
			h()
		}
	}
}

// scribble writes something that a restore takes back.
func (r *runner) scribble(ctx context.Context, m *machine) error {
	for n := range 20 {
		b := batch{Writes: []write{
			{Kind: kindUpsert, ID: poolFirst + n, Token: fmt.Sprint("0.1.", n), Node: nodeNames[n%2], Job: jobNames[n%2]},
			{Kind: kindDelete, ID: fillerFirst + n}, {Kind: kindEvent, ID: registerFirst, Token: fmt.Sprint("0.1.", n)},
		}}
		if a := m.apply(ctx, &b, patience); a.Kind == kindNotLeader || a.Kind == kindUnknown {
			time.Sleep(100 * time.Millisecond) // an election: it need not be written
		} else if a.Kind != kindOK {
			return fmt.Errorf("a batch before a restore: %s: %s", a.Kind, a.Error)
		}
	}
	return nil
}

func (m *machine) backup(ctx context.Context) ([]byte, error) {
	body, err := m.post(ctx, "/backup", struct{}{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func (m *machine) restore(ctx context.Context, backup []byte) (f failure) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := m.post(ctx, "/restore", io.Reader(bytes.NewReader(backup)))
	if err == nil {
		err = json.NewDecoder(body).Decode(&f)
		_ = body.Close()
	}
	if err != nil {
		return failure{kindUnknown, err.Error()}
	}
	return f
}

// restored checks a restore that has ended with f. r.rows is the content of the backup, and before that of the moment before.
func (r *runner) restored(ctx context.Context, before *contentAnswer, f failure, told func() []waitAnswer) error {
	p := &part{c: r.c, base: r.base, rec: newRecorder(r.base)}
	if err := r.n.heal(ctx); err != nil {
		return err
	}
	last, err := p.settle(ctx)
	if err != nil {
		return err
	}
	now := make(map[int]row)
	for _, row := range last.Rows {
		now[row.ID] = row
	}
	replaced := maps.Equal(now, r.rows)
	switch {
	case !replaced && f.Kind == kindOK:
		p.rec.fault("a restore has succeeded, and the content is not that of the backup")
	case !replaced && last.Sum != before.Sum:
		p.rec.fault("after a restore that ended with %q the content is neither the old nor the new one", f.Kind)
	case replaced && last.Index <= before.Index:
		p.rec.fault("a restore has the index %d, and there was %d before", last.Index, before.Index)
	case replaced:
		r.r.Restores++
		r.told(ctx, p, before.Index, last.Index, told)
	}
	r.r.Failed = append(r.r.Failed, p.rec.faults...)
	r.r.Failed = append(r.r.Failed, r.c.seenFaults()...)
	return r.begin(*last)
}

// told checks that readers are told of a restore, at its index: those that waited, and those that come afterwards.
func (r *runner) told(ctx context.Context, p *part, before, index uint64, told func() []waitAnswer) {
	for _, a := range told() {
		if a.Kind == kindOK && (a.Outcome != store.Restored.String() || a.Index != index) {
			p.rec.fault("a restore at %d has ended a wait above %d by: %+v", index, before, a)
		}
	}
	for _, m := range r.c.members() {
		a := m.wait(ctx, &waitQuery{IDs: []int{registerFirst}, Min: before, Milli: 100})
		if a.Outcome != store.Restored.String() || a.Index != index {
			p.rec.fault("after a restore at %d a wait above %d on node %s ends by: %+v", index, before, m.id, a)
		}
		l := m.list(ctx, &listQuery{Min: before, Milli: 100})
		if l.Outcome != store.Restored.String() || l.Index != index || !l.Full {
			p.rec.fault("after a restore at %d a wait for a list above %d on node %s ends by: %+v", index, before, m.id, l)
		}
		end := failure{}
		ctx, cancel := within(ctx, 5000)
		_ = stream(ctx, m, "/feed", &streamQuery{After: before}, func(line *feedLine) bool {
			end = line.failure
			return false
		})
		cancel()
		if end.Kind != kindRestored && end.Kind != kindCompacted {
			p.rec.fault("after a restore at %d a feed after %d on node %s ends by: %+v", index, before, m.id, end)
		}
	}
}
