package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/store"
	"allocstore/store/raftstore"
)

// planVar is the variable of the environment that makes this program the process of a node.
const planVar = "ALLOCSTORE_CLUSTER_NODE"

// A node is the process of a node. It serves the calls of the parent by HTTP.
type node struct {
	plan
	*raftstore.Node
	halted   atomic.Pointer[string]
	installs atomic.Int64
	drops    atomic.Int64 // of a mutant, as the next one
	led      atomic.Int64 // when it has led last
}

// serveIfAsked runs a node if the environment has a plan, until the parent ends.
func serveIfAsked() (asked bool, err error) {
	text := os.Getenv(planVar)
	if text == "" {
		return false, nil
	}
	n := new(node)
	if err := json.Unmarshal([]byte(text), &n.plan); err != nil {
		return true, err
	}
	return true, n.run()
}

// run opens the node, says hello, and serves until its standard input ends.
func (n *node) run() error {
	slog.SetDefault(slog.New(&counter{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}), &n.installs}))
	t, err := raftstore.NewTransport(n.Address, &raftstore.TransportOptions{
		Dial: n.dial, Timeout: time.Duration(n.Tuning.TransportMilli) * time.Millisecond,
	})
	if err != nil {
		return err
	}
	if n.Node, err = raftstore.Open(n.Dir, n.config(t)); err != nil {
		return errors.Join(err, t.Close())
	}
	h := hello{Last: n.Store().LastIndex(), Applied: n.Store().AppliedIndex()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.RPC = l.Addr().String()
	go func() {
		slog.Error("the calls of the parent are not served", "err", http.Serve(l, n.handler()))
	}()
	if err := json.NewEncoder(os.Stdout).Encode(h); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err // the process ends without Close, as it does when it is killed
}

// dial dials another node by the proxy of the two.
func (n *node) dial(ctx context.Context, address string) (net.Conn, error) {
	proxy, ok := n.Routes[address]
	if !ok {
		return nil, fmt.Errorf("no route to %s", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", proxy)
}

// config returns the settings of the node.
func (n *node) config(t *raftstore.Transport) *raftstore.Config {
	u := &n.Tuning
	milli := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return &raftstore.Config{
		ID: raft.ServerID(n.ID), Transport: t,
		Store: &store.Options{
			FeedRetention: u.Retention, ResidentBytes: u.Resident, MaxAllocationBytes: u.Allocation, MaxBatchBytes: u.Batch,
		},
		Raft: func(c *raft.Config) {
			c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = milli(u.Heartbeat), milli(u.Heartbeat), milli(u.Lease)
			c.CommitTimeout = milli(10)
			c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = u.Threshold, milli(u.SnapshotMilli), u.Trailing
			c.MaxAppendEntries = u.AppendEntries
		},
		Halted: func(err error) {
			text := err.Error()
			n.halted.Store(&text)
		},
	}
}

// A counter counts the installed snapshots by raft's message.
type counter struct {
	slog.Handler
	installs *atomic.Int64
}

// Handle looks at one message, and passes it on.
func (c *counter) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "Installed remote snapshot") {
		c.installs.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

// failureOf returns an error as an answer has it.
func failureOf(err error) failure {
	if err == nil {
		return failure{Kind: kindOK}
	}
	kind := kindFailed
	for _, k := range []struct {
		is   error
		kind string
	}{
		{raftstore.ErrOutcomeUnknown, kindUnknown}, {raftstore.ErrHalted, kindHalted}, {raftstore.ErrNotLeader, kindNotLeader},
		{store.ErrConflict, kindConflict}, {store.ErrTooLarge, kindRefused}, {store.ErrInvalid, kindRefused}, {store.ErrNoJob, kindRefused},
		{store.ErrInvalidID, kindRefused}, {store.ErrRestored, kindRestored}, {store.ErrCompacted, kindCompacted}, {store.ErrClosed, kindClosed},
		{context.DeadlineExceeded, kindTimeout}, {context.Canceled, kindTimeout},
	} {
		if errors.Is(err, k.is) {
			kind = k.kind
			break
		}
	}
	return failure{kind, err.Error()}
}
