package raftstore

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A brokenDisk is a log and a term that cannot be written.
type brokenDisk struct {
	*raft.InmemStore
	writes int
}

func (b *brokenDisk) Set([]byte, []byte) error           { b.writes++; return syscall.EIO }
func (b *brokenDisk) SetUint64([]byte, uint64) error     { b.writes++; return syscall.EIO }
func (b *brokenDisk) StoreLogs([]*raft.Log) error        { b.writes++; return syscall.EIO }
func (b *brokenDisk) DeleteRange(low, high uint64) error { b.writes++; return syscall.EIO }

// TestFirstFailedWriteHalts: the first error of the log, of the term or of the vote halts the node, and nothing is written
// afterwards. The term is written without an error, since raft would panic.
func TestFirstFailedWriteHalts(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*guardedLog, *guardedTerms) error{
		"append": func(l *guardedLog, _ *guardedTerms) error { return l.StoreLog(&raft.Log{Index: 1, Type: raft.LogNoop}) },
		"cut":    func(l *guardedLog, _ *guardedTerms) error { return l.DeleteRange(1, 1) },
		"vote":   func(_ *guardedLog, s *guardedTerms) error { return s.SetUint64(keyVoteTerm, 1) },
		"voted":  func(_ *guardedLog, s *guardedTerms) error { return s.Set([]byte("LastVoteCand"), nil) },
		"term": func(_ *guardedLog, s *guardedTerms) error {
			return errors.Join(s.SetUint64(keyTerm, 1), s.halt.err())
		},
	} {
		d := &brokenDisk{InmemStore: raft.NewInmemStore()}
		h := newHalt()
		l, s := &guardedLog{LogStore: d, halt: h, base: new(atomic.Uint64)}, &guardedTerms{d, h}
		err := write(l, s)
		require.ErrorIs(t, err, ErrHalted, name)
		require.ErrorIs(t, err, syscall.EIO, name)
		require.ErrorIs(t, h.err(), ErrHalted, name)
		require.NoError(t, s.SetUint64(keyTerm, 2), name)
		require.ErrorIs(t, s.SetUint64(keyVoteTerm, 2), ErrHalted, name)
		require.ErrorIs(t, s.Set([]byte("LastVoteCand"), nil), ErrHalted, name)
		require.ErrorIs(t, l.StoreLog(&raft.Log{Index: 1, Type: raft.LogNoop}), ErrHalted, name)
		require.ErrorIs(t, l.DeleteRange(1, 1), ErrHalted, name)
		require.Equal(t, 1, d.writes, name)
		close(h.started)
		<-h.left
	}
}
