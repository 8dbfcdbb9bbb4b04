package logtest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// Placed are the flags of the record that places an allocation: it has both parts.
const Placed = record.FlagSched | record.FlagClient

var codec schema.Codec

// A Log is a state and its file, with one writer: the caller.
type Log struct {
	State *state.State
	t     testing.TB
}

// A Write is one record of a batch. The caller sees to it that the first one of an ID, and one that
// follows a tombstone, has the flags Placed.
type Write struct {
	ID    schema.ID
	Flags record.Flags
	Job   string // the ID of its job, with FlagSched
	Text  string // the client's description, with FlagClient
}

// Removals are removed in the transaction of a commit, and from the state after it.
type Removals interface {
	// Apply removes in tx. newest returns the newest version of an ID, those in tx included.
	Apply(tx logfile.Tx, m *logfile.Manifest, written int, newest func(*schema.ID) *state.Version) error

	// Committed notes the removals in st.
	Committed(st *state.State)
}

// New returns an empty log, whose file is checked and closed at the end of the test.
func New(t testing.TB, feedRetention int) *Log {
	t.Helper()
	f, err := logfile.Open(filepath.Join(t.TempDir(), "log.db"), logfile.Options{LockTimeout: time.Second, InitialMmapBytes: 1 << 26, OpenFile: os.OpenFile})
	require.NoError(t, err)
	st, err := state.Open(f, options(feedRetention))
	require.NoError(t, err)
	l := &Log{st, t}
	t.Cleanup(func() {
		l.Check()
		require.NoError(t, f.Close())
	})
	return l
}

func options(feedRetention int) *state.Options {
	return &state.Options{FeedRetention: feedRetention, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// A change is a write on its way.
type change struct {
	state.Change
	job  *state.Job
	size int
}

// Apply commits a batch of writes, each of another ID, and publishes it. It returns the index.
func (l *Log) Apply(writes ...Write) uint64 {
	l.t.Helper()
	return l.Commit(nothing{}, writes...)
}

// nothing removes nothing.
type nothing struct{}

func (nothing) Apply(logfile.Tx, *logfile.Manifest, int, func(*schema.ID) *state.Version) error {
	return nil
}
func (nothing) Committed(*state.State) {}

// Commit is Apply with some of the removals in the same transaction. Without writes it takes no
// index, and returns the last one.
func (l *Log) Commit(r Removals, writes ...Write) uint64 {
	l.t.Helper()
	st, index := l.State, l.State.Index.Last()
	if len(writes) > 0 {
		index++
	}
	changes := make(map[schema.ID]*change)
	newest := func(id *schema.ID) *state.Version {
		if ch := changes[*id]; ch != nil {
			return ch.V
		}
		return st.Table.Get(id)
	}
	require.NoError(l.t, st.File.Update(func(tx logfile.Tx) (bool, error) {
		for i := range writes {
			changes[writes[i].ID] = l.put(tx, &writes[i], record.Key{Index: index, Pos: uint32(i)})
		}
		require.Len(l.t, changes, len(writes), "each write of a batch has another ID")
		require.NoError(l.t, r.Apply(tx, &st.Manifest, len(writes), newest))
		st.Manifest.Last = index
		return true, st.Manifest.Put(tx)
	}))
	st.Index.Commit(index)
	r.Committed(st)
	l.publish(writes, changes)
	return index
}

// put writes one record, and its job if it is new.
func (l *Log) put(tx logfile.Tx, w *Write, k record.Key) *change {
	st := l.State
	r := record.Record{ID: w.ID, Flags: w.Flags, Created: k.Index}
	ch := &change{Change: state.Change{ID: w.ID, V: new(state.Version), Before: st.Table.Get(&w.ID)}}
	if ch.Before != nil {
		ch.V.Content, r.Prev = ch.Before.Content, ch.Before.Pair()
		if !ch.Before.Tombstone() {
			r.Created = ch.Before.Created
		}
	}
	if w.Flags&record.FlagSched != 0 {
		ch.job = l.putJob(tx, w.Job)
		r.Job = ch.job.Hash
		r.Sched = string(codec.AppendScheduler(nil, &schema.Allocation{NodeID: "node", JobID: w.Job}))
	}
	if w.Flags&record.FlagClient != 0 {
		r.Client = string(codec.AppendClient(nil, &schema.Allocation{ClientDescription: w.Text}))
	}
	value := r.AppendTo(nil, k)
	require.NoError(l.t, tx.Put(k, value))
	st.Manifest.Sum.Add(record.SumNumber(k, value))
	ch.size = record.KeyLen + len(value)
	ch.V.Advance(&r, k, ch.size, ch.job, l.parts(ch, &r, w))
	return ch
}

// parts describes the parts of the version after r.
func (l *Log) parts(ch *change, r *record.Record, w *Write) state.Parts {
	p := state.Parts{SchedSum: record.PartSum(r.Sched), ClientSum: record.PartSum(r.Client), Place: ch.V.Place}
	if w.Flags&record.FlagSched != 0 {
		to := lists.PlacementOf(schema.Placement{NodeID: "node", JobID: w.Job})
		p.Place = l.State.Lists.Place(&to, 0)
	}
	return p
}

// putJob returns the job, and writes it unless the file has it.
func (l *Log) putJob(tx logfile.Tx, id string) *state.Job {
	st, body := l.State, codec.AppendJob(nil, &schema.Job{ID: id})
	h := record.HashJob(string(body))
	if j := st.Jobs.Get(h); j != nil {
		return j
	}
	_, err := tx.PutJob(h, body)
	require.NoError(l.t, err)
	st.Manifest.Sum.Add(h.SumNumber())
	st.Size.Jobs.Add(int64(len(h) + len(body)))
	j := &state.Job{Hash: h}
	st.Jobs.Add(j)
	return j
}

// publish makes the batch visible.
func (l *Log) publish(writes []Write, changes map[schema.ID]*change) {
	st, written := l.State, 0
	var digest uint64
	for i := range writes {
		ch := changes[writes[i].ID]
		digest += ch.V.DigestNumber(&ch.ID, nil)
		written += ch.size
		st.Size.Live.Add(ch.V.Bytes())
		if ch.Before != nil {
			st.Size.Live.Add(-ch.Before.Bytes())
			digest -= ch.Before.DigestNumber(&ch.ID, nil)
		}
		st.Publish(&ch.Change)
	}
	if len(writes) > 0 {
		st.Size.Wrote(st.Manifest.Last, len(writes), int64(written))
		st.PublishIndex(st.Manifest.Last, digest)
	}
	st.Lists.DropUnused()
	st.FloorStored()
}

// Entries returns all records of the file, in the order of their keys. They stay valid.
func (l *Log) Entries() (all []logfile.Entry) {
	l.t.Helper()
	require.NoError(l.t, l.State.File.View(func(tx logfile.Tx) error {
		for e, err := range tx.Records(record.Key{}) {
			if err != nil {
				return err
			}
			e.Value = append([]byte(nil), e.Value...)
			if e.Record, err = record.Parse(e.Key, e.Value); err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	}))
	return all
}

// Load returns the state that Open would load from the file now, with the same file.
func (l *Log) Load() (loaded *state.State) {
	l.t.Helper()
	ctx := context.Background() // that of a test has ended when it cleans up
	require.NoError(l.t, l.State.File.ViewFrozen(ctx, func(f *boltfile.File) (err error) {
		loaded, err = state.Load(ctx, f, options(0))
		return err
	}))
	loaded.File = l.State.File
	return loaded
}

// Check requires that the file is sound, and that Open would load the state that is in memory.
func (l *Log) Check() {
	l.t.Helper()
	loaded := l.Load()
	require.Empty(l.t, l.State.Differing(loaded))
	require.Equal(l.t, l.State.Manifest.Floor, loaded.Manifest.Floor)
	require.NoError(l.t, l.State.Compare(context.Background(), loaded, func(fault error) error { return fault }))
}
