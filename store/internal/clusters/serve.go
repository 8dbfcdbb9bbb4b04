package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
	"allocstore/store/raftstore"
)

// handler returns the calls of the parent.
func (n *node) handler() http.Handler {
	m := http.NewServeMux()
	answer(m, "/apply", n.apply)
	answer(m, "/read", n.read)
	answer(m, "/wait", n.wait)
	answer(m, "/list", n.list)
	answer(m, "/status", n.status)
	answer(m, "/do", n.do)
	answer(m, "/content", n.content)
	m.HandleFunc("/feed", n.feed)
	m.HandleFunc("/follow", n.follow)
	m.HandleFunc("/backup", func(w http.ResponseWriter, r *http.Request) {
		if _, err := n.Store().Backup(r.Context(), w); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	m.HandleFunc("/restore", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(failureOf(n.Restore(r.Context(), r.Body)))
	})
	return m
}

// answer serves a call with a query and an answer.
func answer[Q, A any](m *http.ServeMux, path string, fn func(context.Context, *Q) A) {
	m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		q := new(Q)
		if err := json.NewDecoder(r.Body).Decode(q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(fn(r.Context(), q)) // the parent does not wait any more
	})
}

// within returns a context with a timeout in milliseconds.
func within(ctx context.Context, milli int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(milli)*time.Millisecond)
}

func (n *node) apply(ctx context.Context, q *applyQuery) applyAnswer {
	ctx, cancel := within(ctx, q.Milli)
	defer cancel()
	if n.Mutant == mutantEarly {
		go func() {
			ctx, cancel := within(context.Background(), q.Milli)
			defer cancel()
			_, _ = n.Apply(ctx, q.Batch.build())
		}()
		return applyAnswer{failure: failure{Kind: kindOK}, Index: n.Store().LastIndex() + 1, Shown: true}
	}
	applied, err := n.Apply(ctx, q.Batch.build())
	a := applyAnswer{failure: failureOf(err), Index: applied.Index, Shown: err == nil}
	for _, id := range applied.Unknown {
		a.Unknown = append(a.Unknown, numberOf(id))
	}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		a.Expected, a.Actual, a.ConflictID = conflict.Expected, conflict.Actual, 0
		if conflict.ID != "" {
			a.ConflictID = numberOf(conflict.ID)
		}
	}
	switch {
	case err == nil, a.Kind == kindUnknown, a.Kind == kindNotLeader:
	case applied.Index > 0:
		a.Kind = kindOK // it is applied, and this node does not show it
	case a.Kind == kindTimeout:
		a.Kind = kindNotLeader // nothing has happened
	}
	return a
}

func (n *node) read(ctx context.Context, q *readQuery) (a readAnswer) {
	ctx, cancel := within(ctx, q.Milli)
	defer cancel()
	var err error
	switch {
	case q.Fresh && n.trusts():
	case q.Fresh:
		var info raftstore.ReadInfo
		info, err = n.Read(ctx, q.Consistency)
		a.Index = info.Index
		if n.Mutant == mutantTalks && errors.Is(err, raftstore.ErrHalted) {
			err = nil
		}
	}
	if err == nil && q.Min > 0 {
		err = n.Store().WaitApplied(ctx, q.Min)
	}
	if a.failure = failureOf(err); err != nil {
		return a
	}
	s := n.Store()
	a.Last, a.Applied = s.LastIndex(), s.AppliedIndex()
	got, err := s.Get(idOf(q.ID))
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	a.failure, a.Row = failureOf(err), rowOf(idOf(q.ID), got)
	return a
}

// trustedFor is the time for which a mutant believes that it still leads.
const trustedFor = 2 * time.Second

// trusts reports whether a read asks no other node, which only a mutant does.
func (n *node) trusts() bool {
	if n.Mutant != mutantUnverified {
		return false
	}
	if n.Raft().State() == raft.Leader {
		n.led.Store(time.Now().UnixNano())
	}
	return time.Since(time.Unix(0, n.led.Load())) < trustedFor
}

func (n *node) wait(ctx context.Context, q *waitQuery) (a waitAnswer) {
	var ids []string
	for _, id := range q.IDs {
		ids = append(ids, idOf(id))
	}
	opts := store.QueryOptions{MinQueryIndex: q.Min, MaxQueryTime: time.Duration(q.Milli) * time.Millisecond}
	r, err := n.Store().WaitAny(ctx, ids, opts)
	a.failure, a.Outcome, a.Index = failureOf(err), r.Outcome.String(), r.Index
	if err != nil || r.ID == "" {
		return a
	}
	a.ID, a.Row = numberOf(r.ID), rowOf(r.ID, r.Alloc)
	for _, m := range r.More {
		a.More = append(a.More, rowOf(m.ID, m.Alloc))
	}
	return a
}

func (n *node) list(ctx context.Context, q *listQuery) (a listAnswer) {
	opts := store.QueryOptions{MinQueryIndex: q.Min, MaxQueryTime: time.Duration(q.Milli) * time.Millisecond}
	r, err := n.Store().WaitList(ctx, someLists[q.List].Selector, opts)
	a.failure, a.Outcome, a.Index, a.Full = failureOf(err), r.Outcome.String(), r.Index, r.Full
	for _, m := range r.Changed {
		a.Changed = append(a.Changed, rowOf(m.ID, m))
	}
	for _, d := range r.Gone {
		if n.Mutant == mutantDeparture && n.drops.Add(1)%20 == 0 {
			continue
		}
		a.Gone = append(a.Gone, departure{numberOf(d.ID), d.Index, d.Reason.String()})
	}
	return a
}

func (n *node) status(context.Context, *struct{}) statusAnswer {
	halted := n.halted.Load() // before the state, which a halt has changed already
	leader, id := n.Raft().LeaderWithID()
	s := n.Store()
	a := statusAnswer{
		failure: failure{Kind: kindOK}, ID: n.ID, State: n.Raft().State().String(), Term: n.Raft().CurrentTerm(),
		Last: s.LastIndex(), Applied: s.AppliedIndex(), Floor: s.Stats().Floor, Installs: n.installs.Load(),
	}
	if leader != "" {
		a.Leader = string(id)
	}
	a.DigestIndex, a.Digest = s.Digest()
	a.Snapshot, _ = strconv.ParseUint(n.Raft().Stats()["last_snapshot_index"], 10, 64)
	if halted != nil {
		a.Halted = *halted
	}
	members, err := n.Members()
	if err == nil {
		for _, m := range members {
			a.Members = append(a.Members, memberOf{string(m.ID), m.Voter})
		}
	}
	return a
}

// do runs a command of an operator.
func (n *node) do(ctx context.Context, q *doQuery) failure {
	ctx, cancel := within(ctx, q.Milli)
	defer cancel()
	switch q.What {
	case "bootstrap":
		var all []raftstore.Member
		for _, m := range q.Members {
			all = append(all, raftstore.Member{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address), Voter: true})
		}
		return failureOf(n.Bootstrap(all...))
	case "join":
		return failureOf(n.Join(ctx, raftstore.Member{ID: raft.ServerID(q.ID), Address: raft.ServerAddress(q.Address), Voter: q.Voter}))
	case "leave":
		return failureOf(n.Leave(ctx, raft.ServerID(q.ID)))
	case "transfer":
		return failureOf(n.Raft().LeadershipTransfer().Error())
	case "snapshot":
		return failureOf(n.Raft().Snapshot().Error())
	case "compact":
		return failureOf(n.Store().Compact(ctx))
	case "check":
		var errs []error
		for err := range n.Store().Check(ctx) {
			errs = append(errs, err)
		}
		return failureOf(errors.Join(errs...))
	case "break":
		return failureOf(breakDisk(n.Dir, q.Fault))
	}
	return failureOf(fmt.Errorf("no command is %q", q.What))
}

// content returns all allocations, of one index.
func (n *node) content(context.Context, *struct{}) (a contentAnswer) {
	sn, err := n.Store().Snapshot()
	if err != nil {
		return contentAnswer{failure: failureOf(err)}
	}
	defer sn.Close()
	a.Index = sn.Index()
	sum := sha256.New()
	for alloc, err := range sn.All() {
		if err != nil {
			return contentAnswer{failure: failureOf(err)}
		}
		text, err := alloc.MarshalJSON()
		if err != nil {
			return contentAnswer{failure: failureOf(err)}
		}
		fmt.Fprintf(sum, "%s %d %d %d\n", text, alloc.CreateIndex, alloc.ModifyIndex, alloc.AllocModifyIndex)
		a.Rows = append(a.Rows, rowOf(alloc.ID, alloc))
	}
	a.Sum = fmt.Sprintf("%x", sum.Sum(nil))
	index, digest := n.Store().Digest()
	if index != a.Index {
		return contentAnswer{failure: failureOf(fmt.Errorf("the digest is of index %d, and the content of %d", index, a.Index))}
	}
	a.Digest, a.failure = digest, failure{Kind: kindOK}
	return a
}
