package raftstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/raftstore"
)

// Three nodes on loopback, as they would run on three machines. A write on one of them is read on the others.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "raftstore-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	var nodes []*raftstore.Node
	var members []raftstore.Member
	quiet := slog.New(slog.DiscardHandler)
	for _, id := range []raft.ServerID{"a", "b", "c"} {
		transport, err := raftstore.NewTransport("127.0.0.1:0", &raftstore.TransportOptions{Logger: quiet})
		if err != nil {
			log.Fatal(err)
		}
		n, err := raftstore.Open(filepath.Join(dir, string(id)), &raftstore.Config{ID: id, Transport: transport, Logger: quiet})
		if err != nil {
			log.Fatal(err)
		}
		defer n.Close()
		nodes = append(nodes, n)
		members = append(members, raftstore.Member{ID: id, Address: transport.LocalAddr(), Voter: true})
	}
	if err := nodes[0].Bootstrap(members...); err != nil {
		log.Fatal(err)
	}

	// A scheduler beside any node places an allocation. Until a leader is elected, nothing happens.
	var b store.Batch
	b.Expect("203266e5-e0d6-9486-5e05-397ed2b184af", 0) // it may be repeated if the outcome is unknown
	b.Upsert(&schema.Allocation{ID: "203266e5-e0d6-9486-5e05-397ed2b184af", NodeID: "node1", Job: &schema.Job{ID: "example"}})
	for {
		_, err := nodes[1].Apply(ctx, &b)
		if err == nil || errors.Is(err, store.ErrConflict) {
			break
		}
		if !errors.Is(err, raftstore.ErrNotLeader) && !errors.Is(err, raftstore.ErrOutcomeUnknown) {
			log.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}

	// An agent beside another node reads it.
	if _, err := nodes[2].Read(ctx, raftstore.Linearizable); err != nil {
		log.Fatal(err)
	}
	for a, err := range nodes[2].Store().ByNode("node1") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(a.ID, "of job", a.Job.ID)
	}
	// Output: 203266e5-e0d6-9486-5e05-397ed2b184af of job example
}
