package raftstore

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// TestStoreOlderThanTheLog: an old copy of the store, or a new one, whose entries the log has no more is refused before
// raft starts. The message says what to do, and nothing is changed.
func TestStoreOlderThanTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	c.shut(tn)
	path := filepath.Join(c.dirOf(tn), storeName)
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	c.open(tn)
	c.leader()
	c.place(tn, 5, 60)
	c.snapshot(tn)
	c.shut(tn)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, was := range map[string][]byte{"old": old, "new": nil} {
		require.NoError(t, os.Remove(path))
		if was != nil {
			require.NoError(t, os.WriteFile(path, was, 0o600))
		}
		for range 2 {
			err := c.tryOpen(tn)
			require.ErrorIs(t, err, ErrLogMismatch, name)
			require.ErrorContains(t, err, anew, name)
		}
	}
	require.NoError(t, os.WriteFile(path, good, 0o600))
	c.open(tn)
	require.Equal(t, 60, tn.Store().Stats().Allocations)
}

// TestLogGivesWhatTheStoreLacks: the entries between an old copy of the store and the snapshot are applied from the log, if
// it has them.
func TestLogGivesWhatTheStoreLacks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, func(c *Config) {
		was := c.Raft
		c.Raft = func(r *raft.Config) { was(r); r.TrailingLogs = 1000 }
	})
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	c.shut(tn)
	path := filepath.Join(c.dirOf(tn), storeName)
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	c.open(tn)
	c.leader()
	c.place(tn, 5, 30)
	want := content(t, tn.Store())
	c.snapshot(tn)
	c.shut(tn)
	require.NoError(t, os.WriteFile(path, old, 0o600))
	c.open(tn)
	require.Equal(t, string(want), string(content(t, tn.Store())))
	c.leader()
	c.place(tn, 30, 35)
}

// TestCutLogIsOpened: a leader that was cut off has entries that the others replace. Its log is cut at its end, and can be
// opened again. raft-wal v0.4.0 could not read the rest, and raft panicked at each start.
func TestCutLogIsOpened(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil, nil)
	old := c.leader()
	c.place(old, 0, 5)
	c.equal()
	c.isolate(old)
	for i := range uint32(3) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := old.Apply(ctx, upsert(50+i))
		cancel()
		require.Error(t, err)
	}
	c.until("the others have a leader", func() bool { return old.raft.State() != raft.Leader && c.leader() != old })
	lost := old.raft.LastIndex()
	for i := uint32(10); c.leader().raft.LastIndex() <= lost; i++ {
		c.place(c.leader(), i, i+1)
	}
	c.rejoin(old)
	want := c.equal()
	c.shut(old)
	c.open(old)
	require.Equal(t, string(want), string(c.equal()))
}

// An unreadable is a log that cannot read one entry.
type unreadable struct {
	raft.LogStore
	index uint64
}

func (l unreadable) GetLog(index uint64, log *raft.Log) error {
	if index == l.index {
		return io.ErrUnexpectedEOF
	}
	return l.LogStore.GetLog(index, log)
}

// TestUnreadableLogIsRefused: raft panics if it cannot read an entry at its start. Open reads them first, and says what to do.
func TestUnreadableLogIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 20)
	c.snapshot(tn)
	c.place(tn, 20, 25)
	last, err := tn.wal.LastIndex()
	require.NoError(t, err)
	for index := last; index > tn.fsm.mu.meta.Index; index-- {
		r := &recovery{dir: c.dirOf(tn), store: tn.store, log: unreadable{tn.wal, index}, terms: tn.wal}
		err := r.run()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorContains(t, err, anew)
	}
}

// TestStoreAheadOfTheLog: with a log that was removed, raft would give indexes again, and the store would skip the
// entries.
func TestStoreAheadOfTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	c.shut(tn)
	require.NoError(t, os.RemoveAll(filepath.Join(c.dirOf(tn), logName)))
	err := c.tryOpen(tn)
	require.ErrorIs(t, err, ErrLogMismatch)
	require.ErrorContains(t, err, "the log ends at 0")
}

// TestDamagedStoreIsRefused: a replica that has damage does not open, and is installed anew.
func TestDamagedStoreIsRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	c.shut(tn)
	path := filepath.Join(c.dirOf(tn), storeName)
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.LastIndex(body, []byte("node1"))
	require.Positive(t, at)
	for at := 0; ; at++ { // every copy, also in free pages
		i := bytes.Index(body[at:], []byte("node1"))
		if i < 0 {
			break
		}
		at += i
		body[at] ^= 1
	}
	require.NoError(t, os.WriteFile(path, body, 0o600))
	err = c.tryOpen(tn)
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, anew)
}

// TestMetaIsWritten reads a file as it was written, and refuses all other bytes.
func TestMetaIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &meta{Index: 7, Term: 2, ConfigurationIndex: 3, Held: 9, Configuration: raft.Configuration{
		Servers: []raft.Server{{Suffrage: raft.Nonvoter, ID: "a", Address: "b:1"}},
	}}
	require.NoError(t, m.write(dir, metaName))
	path := filepath.Join(dir, metaName)
	got, err := readMeta(path)
	require.NoError(t, err)
	require.Equal(t, m, got)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 4
		_, err := decodeMeta(changed)
		require.ErrorIs(t, err, store.ErrCorrupt, "byte %d", i)
		_, err = decodeMeta(whole[:i])
		require.ErrorIs(t, err, store.ErrCorrupt, "cut to %d", i)
	}
	later := *m
	data, err := later.encode()
	require.NoError(t, err)
	data = bytes.Replace(data, []byte(`"Version": 1`), []byte(`"Version": 2`), 1)
	_, body, _ := bytes.Cut(data, []byte("\n"))
	_, err = decodeMeta(append(sumLine(body), body...))
	require.ErrorIs(t, err, store.ErrFormatVersion)
	require.ErrorContains(t, err, "version 2; this release knows version 1")
}

// sinkOf begins to receive a snapshot.
func sinkOf(t *testing.T, tn *testNode, m *raft.SnapshotMeta) (*snapshots, raft.SnapshotSink) {
	t.Helper()
	s := &snapshots{tn.fsm, tn.ctx}
	sink, err := s.Create(m.Version, m.Index, m.Term, m.Configuration, m.ConfigurationIndex, nil)
	require.NoError(t, err)
	return s, sink
}

// TestSnapshotIndexIsThatOfItsContent: an index that raft says, and the content has not, is refused before anything is
// exchanged.
func TestSnapshotIndexIsThatOfItsContent(t *testing.T) {
	t.Parallel()
	from, to := newCluster(t, 1, nil, nil), newCluster(t, 1, nil, nil)
	from.place(from.nodes[0], 0, 20)
	m, body := stream(t, from.nodes[0])
	require.Equal(t, from.nodes[0].Store().AppliedIndex(), m.Index)
	tn := to.nodes[0]
	applied := tn.Store().AppliedIndex()
	for _, index := range []uint64{m.Index - 1, m.Index + 1} {
		wrong := *m
		wrong.Index = index
		_, sink := sinkOf(t, tn, &wrong)
		_, err := sink.Write(body)
		require.NoError(t, err)
		require.ErrorIs(t, sink.Close(), store.ErrCorrupt)
		require.Error(t, tn.fsm.Restore(io.NopCloser(bytes.NewReader([]byte(sink.ID())))))
		require.Equal(t, applied, tn.Store().AppliedIndex())
	}
	onlyFiles(t, to, tn)
}

// onlyFiles requires that nothing of an installation is left.
func onlyFiles(t *testing.T, c *cluster, tn *testNode) {
	t.Helper()
	files, err := os.ReadDir(c.dirOf(tn))
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, []string{"." + storeName + ".lock", storeName, logName, metaName}, f.Name())
	}
}

// TestFailedInstallChangesNothing: a stream that is cut short, damaged or canceled leaves the store, its snapshot and its
// files as they were, and the node goes on.
func TestFailedInstallChangesNothing(t *testing.T) {
	t.Parallel()
	from, to := newCluster(t, 1, nil, nil), newCluster(t, 1, nil, nil)
	from.place(from.nodes[0], 0, 20)
	m, body := stream(t, from.nodes[0])
	tn := to.nodes[0]
	to.place(tn, 100, 103)
	before, applied := content(t, tn.Store()), tn.Store().AppliedIndex()
	damaged := bytes.Clone(body)
	damaged[len(body)/2] ^= 1
	for name, b := range map[string][]byte{
		"cut": body[:len(body)-1], "damaged": damaged, "kind": append([]byte{'X'}, body[1:]...), "nothing": body[:1], "more": append(bytes.Clone(body), 0),
	} {
		s, sink := sinkOf(t, tn, m)
		_, err := io.Copy(sink, bytes.NewReader(b))
		if err == nil {
			err = sink.Close()
		} else {
			require.NoError(t, sink.Cancel(), name)
		}
		require.Error(t, err, name)
		require.Error(t, tn.fsm.Restore(io.NopCloser(bytes.NewReader([]byte(m.ID)))), name)
		require.Equal(t, string(before), string(content(t, tn.Store())), name)
		require.Equal(t, applied, tn.Store().AppliedIndex(), name)
		list, err := s.List()
		require.NoError(t, err)
		require.Empty(t, list)
	}
	_, sink := sinkOf(t, tn, m)
	_, err := sink.Write(body[:len(body)/2])
	require.NoError(t, err)
	require.NoError(t, sink.Cancel())
	onlyFiles(t, to, tn)
	require.NoError(t, tn.available())
	to.place(tn, 103, 105)
}

// TestInstallIsBuiltWhileItArrives: when the last byte arrives, the file is all but whole.
func TestInstallIsBuiltWhileItArrives(t *testing.T) {
	t.Parallel()
	from, to := newCluster(t, 1, nil, nil), newCluster(t, 1, nil, nil)
	from.place(from.nodes[0], 0, 20)
	m, body := stream(t, from.nodes[0])
	tn := to.nodes[0]
	s, sink := sinkOf(t, tn, m)
	for i := range body {
		_, err := sink.Write(body[i : i+1])
		require.NoError(t, err)
		if i == len(body)-2 {
			files, err := os.ReadDir(to.dirOf(tn))
			require.NoError(t, err)
			require.Greater(t, len(files), 3, "a file beside the store's")
		}
	}
	require.NoError(t, sink.Close())
	require.NotEqual(t, m.Index, tn.Store().AppliedIndex())
	got, r, err := s.Open(sink.ID())
	require.NoError(t, err)
	require.EqualValues(t, len(body), got.Size)
	require.NoError(t, tn.fsm.Restore(r))
	require.Equal(t, m.Index, tn.Store().AppliedIndex())
	require.Equal(t, string(content(t, from.nodes[0].Store())), string(content(t, tn.Store())))
	onlyFiles(t, to, tn)
}

// TestSnapshotIsNotNewerThanItsIndex sends snapshots while entries are applied. Each has the index, the term and the members
// of its content. Otherwise entries would be applied twice.
func TestSnapshotIsNotNewerThanItsIndex(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := uint32(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				if _, err := tn.Apply(t.Context(), upsert(i)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for range 30 {
		m, body := stream(t, tn)
		info, err := store.ReadBackupInfo(bytes.NewReader(body[1:]))
		require.NoError(t, err)
		require.Equal(t, m.Index, info.Applied)
		var log raft.Log
		require.NoError(t, tn.wal.GetLog(m.Index, &log))
		require.Equal(t, log.Term, m.Term)
		require.Len(t, m.Configuration.Servers, 1)
	}
	close(stop)
	<-done
}

// TestInstallOfAnOlderIndex: a store that has more than the snapshot keeps it, and takes raft's place.
func TestInstallOfAnOlderIndex(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	c.place(tn, 0, 5)
	m, body := stream(t, tn)
	c.place(tn, 5, 10)
	before, applied := content(t, tn.Store()), tn.Store().AppliedIndex()
	s, sink := sinkOf(t, tn, m)
	_, err := io.Copy(sink, bytes.NewReader(body))
	require.ErrorContains(t, err, "has come too late", "raft has given more than the snapshot has")
	require.NoError(t, sink.Cancel())
	s.mu.Lock()
	s.mu.at = s.mu.meta.position() // as after a restart
	s.mu.Unlock()
	_, sink = sinkOf(t, tn, m)
	_, err = io.Copy(sink, bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, sink.Close())
	require.NoError(t, tn.fsm.Restore(io.NopCloser(bytes.NewReader([]byte(sink.ID())))))
	require.Equal(t, string(before), string(content(t, tn.Store())))
	require.Equal(t, m.Index, tn.fsm.mu.meta.Index)
	require.Equal(t, applied, tn.fsm.mu.meta.Held)
	c.shut(tn)
	first, last := uint64(0), uint64(0)
	func() { // raft removes the log, and is killed
		c.open(tn)
		defer c.shut(tn)
		first, _ = tn.wal.FirstIndex()
		last, _ = tn.wal.LastIndex()
		require.NoError(t, tn.raft.Shutdown().Error())
		require.NoError(t, tn.wal.DeleteRange(first, last))
	}()
	c.open(tn)
	require.Equal(t, string(before), string(content(t, tn.Store())))
}

// TestReplacedLogIsRemoved: a log that an installed snapshot has replaced is removed, if a crash kept raft from it. A log that
// goes on from the snapshot stays.
func TestReplacedLogIsRemoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, last, term uint64 // of the log
		stays             bool
	}{
		"ends before":  {1, 9, 2, false},
		"ends at it":   {1, 10, 2, true},
		"goes on":      {5, 20, 2, true},
		"another term": {5, 20, 1, false},
		"begins after": {11, 20, 2, true},
		"is empty":     {0, 0, 0, true},
	} {
		log := raft.NewInmemStore()
		for i := c.first; i > 0 && i <= c.last; i++ {
			require.NoError(t, log.StoreLog(&raft.Log{Index: i, Term: c.term, Data: (&entry{}).encode()}))
		}
		r := &recovery{log: log, meta: &meta{Index: 10, Term: 2}, first: c.first, last: c.last}
		require.NoError(t, r.cutLog(), name)
		last, err := log.LastIndex()
		require.NoError(t, err)
		require.Equal(t, c.stays, last == c.last, name)
	}
}
