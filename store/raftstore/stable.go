package raftstore

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/raft"
)

// termKey is the key under which raft saves its term.
var termKey = []byte("CurrentTerm")

// A guardedStable is a raft.StableStore that halts the node if it cannot save, and then saves nothing.
type guardedStable struct {
	raft.StableStore
	halt *halt
}

// Set saves a value.
func (s *guardedStable) Set(key, value []byte) error {
	return s.save(func() error { return s.StableStore.Set(key, value) })
}

// SetUint64 saves a number. Raft panics if it cannot save its term, so it is told that it could: a node that
// has halted saves no vote and stores no entry, under whatever term.
func (s *guardedStable) SetUint64(key []byte, value uint64) error {
	err := s.save(func() error { return s.StableStore.SetUint64(key, value) })
	if bytes.Equal(key, termKey) {
		return nil
	}
	return err
}

func (s *guardedStable) save(save func() error) error {
	if err := s.halt.err(); err != nil {
		return err
	}
	if err := save(); err != nil {
		return s.halt.begin(fmt.Errorf("the log's metadata cannot be saved: %w", err))
	}
	return nil
}
