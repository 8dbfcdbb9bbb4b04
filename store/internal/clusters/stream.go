package main

import (
	"encoding/json"
	"net/http"

	"allocstore/store"
)

// A lines writes lines of JSON that the parent reads at once.
type lines struct {
	*json.Encoder
	http.ResponseWriter
}

func newLines(w http.ResponseWriter) *lines { return &lines{json.NewEncoder(w), w} }

// send sends one line. It reports whether the parent reads on.
func (l *lines) send(line any) bool {
	err := l.Encode(line)
	if f, ok := l.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return err == nil
}

// feed sends the feed, batch by batch.
func (n *node) feed(w http.ResponseWriter, r *http.Request) {
	var q streamQuery
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := newLines(w)
	line := feedLine{failure: failure{Kind: kindOK}}
	for c, err := range n.Store().Changes(r.Context(), q.After) {
		if err != nil {
			out.send(feedLine{failure: failureOf(err)})
			return
		}
		if line.Rows = append(line.Rows, rowOf(c.ID, c.Alloc)); !c.Last {
			continue
		}
		line.Index = c.Index
		lost := n.Mutant == mutantFeed && n.drops.Add(1)%100 == 0
		if !lost && !out.send(line) {
			return
		}
		line.Rows = nil
	}
}

// follow sends the stream of a list.
func (n *node) follow(w http.ResponseWriter, r *http.Request) {
	var q streamQuery
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := newLines(w)
	for c, err := range n.Store().Follow(r.Context(), someLists[q.List].Selector, q.After) {
		if err != nil {
			out.send(followLine{failure: failureOf(err)})
			return
		}
		if !out.send(followLineOf(&c)) {
			return
		}
	}
}

func followLineOf(c *store.ListChange) followLine {
	line := followLine{failure: failure{Kind: kindOK}, Index: c.Index, Complete: c.Complete}
	if c.Alloc != nil {
		r := rowOf(c.Alloc.ID, c.Alloc)
		line.Row = &r
	}
	if d := c.Gone; d != nil {
		line.Gone = &departure{numberOf(d.ID), d.Index, d.Reason.String()}
	}
	return line
}
