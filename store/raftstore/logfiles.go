package raftstore

import (
	"path/filepath"
	"sync"

	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// A logFiles is the files of a log. It has raft-wal v0.4.0 begin a new file before an append returns, and halts the node if
// that fails: raft-wal does so in the background, and lets the end of the log be removed meanwhile. Then it would take the
// wrong file for full.
type logFiles struct {
	types.SegmentFiler
	halt *halt

	mu   sync.Mutex
	next chan struct{} // closed when a new file has begun; nil if there is enough room
}

func newLogFiles(dir string, h *halt) *logFiles {
	return &logFiles{SegmentFiler: segment.NewFiler(dir, fs.New()), halt: h}
}

// Create begins a file.
func (l *logFiles) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := l.SegmentFiler.Create(info)
	if err != nil {
		return nil, l.halt.begin(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		close(l.next)
		l.next = nil
	}
	return &logTail{w, l}, nil
}

// RecoverTail opens the last file.
func (l *logFiles) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := l.SegmentFiler.RecoverTail(info)
	if err != nil {
		return nil, err
	}
	return &logTail{w, l}, nil
}

// await waits until a new file has begun, if the last one is full.
func (l *logFiles) await() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	if next != nil {
		select {
		case <-next:
		case <-l.halt.ended:
		}
	}
	return l.halt.err()
}

// A logTail is the last file of a log.
type logTail struct {
	types.SegmentWriter
	files *logFiles
}

// Sealed reports whether the file is full. The log asks after each append.
func (t *logTail) Sealed() (full bool, index uint64, err error) {
	full, index, err = t.SegmentWriter.Sealed()
	if full && err == nil {
		t.files.mu.Lock()
		t.files.next = make(chan struct{})
		t.files.mu.Unlock()
	}
	return full, index, err
}

// A logMeta is the metadata of a log, and raft's term and vote. After the first failed write it writes nothing: bbolt would
// take the failed one for written, and destroy the one before. For a file whose end was removed it writes the index, without
// which raft-wal v0.4.0 could not read the file after a restart.
type logMeta struct {
	metadb.BoltMetaDB
	dir    string
	halt   *halt
	sealed map[uint64]uint64 // places of such indexes, by ID of the file
}

// CommitState writes which files the log has. It is called by one goroutine at a time.
func (m *logMeta) CommitState(s types.PersistentState) error {
	if err := m.halt.err(); err != nil {
		return err
	}
	for i := range s.Segments {
		if err := m.complete(&s.Segments[i]); err != nil {
			return m.halt.begin(err)
		}
	}
	if err := m.BoltMetaDB.CommitState(s); err != nil {
		return m.halt.begin(err)
	}
	return nil
}

// complete adds the index of a file whose end was removed.
func (m *logMeta) complete(s *types.SegmentInfo) (err error) {
	if s.SealTime.IsZero() || s.IndexStart > 0 {
		return nil
	}
	at, ok := m.sealed[s.ID]
	if !ok {
		if at, err = seal(filepath.Join(m.dir, segment.FileName(*s)), int(s.MaxIndex-s.BaseIndex+1)); err != nil {
			return err
		}
		m.sealed[s.ID] = at
	}
	s.IndexStart = at
	return nil
}

// SetStable writes a part of raft's term and vote.
func (m *logMeta) SetStable(key, value []byte) error {
	if err := m.halt.err(); err != nil {
		return err
	}
	if err := m.BoltMetaDB.SetStable(key, value); err != nil {
		return m.halt.begin(err)
	}
	return nil
}

// openLog opens the log in a directory, after any end of the process or the machine.
func (n *Node) openLog(dir string, size int) (err error) {
	n.meta = &logMeta{dir: dir, halt: n.halt, sealed: make(map[uint64]uint64)}
	if err := mendLog(dir, n.meta); err != nil {
		return err
	}
	n.files = newLogFiles(dir, n.halt)
	n.wal, err = wal.Open(dir, wal.WithMetaStore(n.meta), wal.WithSegmentFiler(n.files), wal.WithSegmentSize(size),
		wal.WithLogger(newHCLogger(n.config.Logger)))
	return err
}
