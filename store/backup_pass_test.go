package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/compaction"
	"allocstore/store/internal/logfile"
)

// contentAt returns the IDs and indexes of all allocations, in the order of the IDs.
func contentAt(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	for a, err := range s.All() {
		require.NoError(t, err)
		all = append(all, fmt.Sprint(a.ID, a.CreateIndex, a.ModifyIndex))
	}
	return all
}

// storeToSweep returns a store with some thousand dead records, so that a pass has several steps:
// allocations that were placed, reported and deleted again, and others.
func storeToSweep(t *testing.T) *Store {
	t.Helper()
	s := openTemp(t, &Options{FeedRetention: -1})
	for round := range 3 {
		var b Batch
		for i := range 1200 {
			a := testAlloc(byte(i))
			a.ID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
			switch {
			case round == 0:
				b.Upsert(a)
			case round == 1 || i%3 == 0:
				b.SetClientStatus(a.ID, fmt.Sprint("status", round), "")
			case i%3 == 1:
				b.Delete(a.ID)
			}
		}
		_, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
	}
	return s
}

// hookSteps has fn called at every step of a pass over s: before and after each search, before each
// removal, in the middle of each, when some of its records are removed, and after it. It returns
// how often fn was called so far.
func hookSteps(t *testing.T, s *Store, fn func(step string)) {
	env := compaction.Env{State: s.state.Load, Readers: &s.readers, FeedRetention: -1, Look: func() { fn("look") }}
	env.Remove = func(r *compaction.Removals) error {
		fn("found")
		release := s.Hold()
		done, wrote, pinned := make(chan error, 1), make(chan error, 1), make(chan struct{})
		go func() { _, err := s.Upsert(context.Background(), testAlloc(200)); wrote <- err }()
		for s.Queued() == 0 {
			time.Sleep(time.Microsecond)
		}
		go func() { done <- s.committer.remove(r) }()
		queued := func() (removal, barrier bool) {
			s.committer.queue.Lock()
			defer s.committer.queue.Unlock()
			return s.committer.queue.removal != nil, len(s.committer.queue.barriers) > 0
		}
		for removal := false; !removal; removal, _ = queued() {
			time.Sleep(time.Microsecond)
		}
		go func() {
			defer close(pinned)
			fn("removing")
		}()
		for barrier := false; !barrier; _, barrier = queued() {
			select {
			case <-pinned: // it prepares no backup
				barrier = true
			case <-time.After(time.Microsecond):
			}
			if barrier {
				break
			}
		}
		release()
		<-pinned
		require.NoError(t, <-wrote)
		err := <-done
		fn("removed")
		return err
	}
	s.sweeper.Sweeper = compaction.NewSweeper(env)
}

// TestBackupAtEveryStep prepares a backup at every step of a pass and of a rewrite. The pass ends;
// the backup, written afterwards, is the store at its index, and later passes remove the rest.
func TestBackupAtEveryStep(t *testing.T) {
	t.Parallel()
	reached := map[string]int{}
	for at := 0; ; at++ {
		s, n := storeToSweep(t), 0
		var b *Backup
		var want []string
		var dead int64
		step := func(name string) {
			if n++; n-1 != at {
				return
			}
			reached[name]++
			var err error
			b, err = s.PrepareBackup()
			require.NoError(t, err, name)
			require.Equal(t, b.Index(), s.LastIndex(), name)
			want, dead = contentAt(t, s), s.Stats().DeadBytes
		}
		hookSteps(t, s, step)
		require.NoError(t, s.Sweep(t.Context()))
		require.NoError(t, s.CompactAround(t.Context(), func() { step("rewritten") }))
		step("end")
		if b == nil {
			break
		}
		require.GreaterOrEqual(t, s.Stats().DeadBytes, dead, "nothing was removed since")
		_, err := s.Delete(t.Context(), fmt.Sprintf("%08x-0000-4000-8000-000000000000", 0), testAlloc(200).ID)
		require.NoError(t, err)
		require.NoError(t, s.Compact(t.Context()))
		var first, second bytes.Buffer
		info, err := b.Write(t.Context(), &first)
		require.NoError(t, err, "step %d", at)
		_, err = b.Write(t.Context(), &second)
		require.NoError(t, err)
		require.Equal(t, first.Bytes(), second.Bytes())
		require.Equal(t, b.Index(), info.Index)
		require.NoError(t, b.Close())
		require.NoError(t, b.Close())
		_, err = b.Write(t.Context(), &second)
		require.ErrorIs(t, err, ErrClosed)

		restored := openTemp(t, nil)
		require.NoError(t, restored.Restore(t.Context(), &first))
		require.Equal(t, want, contentAt(t, restored), "step %d", at)
		shut(t, restored)
		for range 2 { // the first may find an allocation that the hook places again
			require.NoError(t, s.Sweep(t.Context()))
		}
		require.Zero(t, s.Stats().DeadBytes, "later passes remove the rest")
		shut(t, s)
	}
	t.Log(reached)
	require.Equal(t, []string{"end", "found", "look", "removed", "removing", "rewritten"}, slices.Sorted(maps.Keys(reached)))
	require.Greater(t, reached["removing"], 1)
}

// TestPrepareBackupBesideMaintenance prepares backups while another holds the maintenance lock, as
// Compact and Check do.
func TestPrepareBackupBesideMaintenance(t *testing.T) {
	t.Parallel()
	s := storeToSweep(t)
	require.NoError(t, s.maintenance.lock(t.Context()))
	b, err := s.PrepareBackup()
	require.NoError(t, err)
	another, err := s.PrepareBackup()
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.NoError(t, compaction.Rewrite(t.Context(), s.state.Load(), s.committer.barrier))
	s.maintenance.unlock()
	require.NoError(t, s.Sweep(t.Context()))
	require.Zero(t, s.Stats().Passes, "one is open still")
	_, err = another.Write(t.Context(), new(bytes.Buffer))
	require.NoError(t, err)
	require.NoError(t, another.Close())
	require.NoError(t, s.Sweep(t.Context()))
	require.EqualValues(t, 1, s.Stats().Passes)
	b, err = s.PrepareBackup()
	require.NoError(t, err)
	shut(t, s)
	_, err = b.Write(t.Context(), new(bytes.Buffer))
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, b.Close())
	_, err = s.PrepareBackup()
	require.ErrorIs(t, err, ErrClosed)
}

// TestCatchUpIsKilled opens copies of a replica's directory, as a kill leaves it, before and after
// the exchange.
func TestCatchUpIsKilled(t *testing.T) {
	t.Parallel()
	ahead, s := openTemp(t, &Options{Replicated: true}), openTemp(t, &Options{Replicated: true})
	entries := []Entry{{Index: 2, Batch: new(Batch)}, {Index: 3, Batch: new(Batch)}, {Index: 9}}
	entries[0].Batch.Upsert(testAlloc(1))
	entries[1].Batch.Upsert(testAlloc(2))
	_, err := s.ApplyEntries(t.Context(), entries[:1])
	require.NoError(t, err)
	_, err = ahead.ApplyEntries(t.Context(), entries)
	require.NoError(t, err)
	var stream bytes.Buffer
	_, err = ahead.Backup(t.Context(), &stream)
	require.NoError(t, err)
	in, err := s.PrepareCatchUp(t.Context(), bytes.NewReader(stream.Bytes()))
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 9}, []uint64{in.Index(), in.AppliedIndex()})
	killed := func(applied uint64, content []string) {
		t.Helper()
		dir := t.TempDir()
		files, err := filepath.Glob(filepath.Join(filepath.Dir(s.Path()), "*"))
		require.NoError(t, err)
		for _, name := range files {
			writeCopy(t, name, filepath.Join(dir, filepath.Base(name)))
		}
		again, err := Open(filepath.Join(dir, filepath.Base(s.Path())), &Options{Replicated: true})
		require.NoError(t, err)
		require.Equal(t, applied, again.AppliedIndex())
		require.Equal(t, content, contentAt(t, again))
		shut(t, again)
		files, err = filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.LessOrEqual(t, len(files), 2, "the unfinished file is removed")
	}
	killed(2, contentAt(t, s))
	_, err = s.ApplyEntries(t.Context(), entries[1:2])
	require.NoError(t, err)
	killed(3, contentAt(t, s))
	require.NoError(t, in.Apply(t.Context()), "the store has gone on, and not further than the backup")
	killed(9, contentAt(t, ahead))
	require.ErrorIs(t, in.Apply(t.Context()), ErrClosed)
	require.NoError(t, in.Close())

	in, err = s.PrepareCatchUp(t.Context(), bytes.NewReader(stream.Bytes()))
	require.NoError(t, err)
	_, err = s.ApplyEntries(t.Context(), []Entry{{Index: 10}})
	require.NoError(t, err)
	require.ErrorIs(t, in.Apply(t.Context()), ErrIndexRegression, "the store has gone on beyond the backup")
	require.NoError(t, in.Close())
	require.Equal(t, uint64(10), s.AppliedIndex())

	stream.Reset()
	b, err := s.PrepareBackup()
	require.NoError(t, err)
	_, err = b.Write(t.Context(), &stream)
	require.NoError(t, err)
	require.NoError(t, s.CatchUp(t.Context(), &stream))
	_, err = b.Write(t.Context(), &stream)
	require.ErrorIs(t, err, ErrCompacted)
	require.NotErrorIs(t, err, ErrRestored)
	require.NoError(t, b.Close())

	in, err = s.PrepareCatchUp(t.Context(), bytes.NewReader(stream.Bytes()))
	require.ErrorIs(t, err, ErrCorrupt, "the bytes of a Write that failed")
	require.Nil(t, in)
	shut(t, ahead)
	shut(t, s)
}

// writeCopy copies a file.
func writeCopy(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.WriteFile(to, readFile(t, from), 0o600))
}

// TestCatchUpWithImpossibleNumbers gives a replica streams with valid checksums and sums, whose
// numbers no store has.
func TestCatchUpWithImpossibleNumbers(t *testing.T) {
	t.Parallel()
	s := openTemp(t, &Options{Replicated: true})
	stream := func(m logfile.Manifest) []byte {
		b := backupstream.AppendHead(backupstream.AppendMagic(nil), backupstream.Head{Index: m.Last})
		foot := backupstream.Foot{Floor: m.Floor, Restored: m.Restored, Sum: m.Total()}
		if m.Note != "" {
			b, foot.Jobs = backupstream.AppendFrame(b, backupstream.JobFrame, []byte(m.Note)), 1
		}
		return backupstream.AppendFoot(b, foot)
	}
	for name, m := range map[string]logfile.Manifest{
		"index 0":                       {},
		"no next index":                 {Last: math.MaxUint64},
		"a floor above the index":       {Last: 5, Floor: 6},
		"a restore above the index":     {Last: 5, Restored: 6},
		"a floor of the largest number": {Last: 5, Floor: math.MaxUint64},
		"nothing more to apply":         {Last: 5, Note: logfile.NewNote(math.MaxUint64, 0)},
		"entries' floor above them":     {Last: 5, Note: logfile.NewNote(7, 8)},
	} {
		require.ErrorIs(t, s.CatchUp(t.Context(), bytes.NewReader(stream(m))), ErrCorrupt, name)
		require.Equal(t, []uint64{1, 1}, []uint64{s.LastIndex(), s.AppliedIndex()}, name)
	}
	require.NoError(t, s.CatchUp(t.Context(), bytes.NewReader(stream(logfile.Manifest{Last: 5, Floor: 5, Note: logfile.NewNote(7, 5)}))))
	require.Equal(t, []uint64{5, 7}, []uint64{s.LastIndex(), s.AppliedIndex()})
}
