package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// A content is an allocation of the model.
type content struct {
	node, previous, desired, client, job string
	next                                 schema.ID // zero if it is not set

	created, scheduled, modified uint64
}

// plain returns c without the indexes that move with each write.
func (c content) plain() content {
	c.scheduled, c.modified = 0, 0
	return c
}

// A model is the oracle of a plan: it applies each batch to a copy of a map.
type model struct {
	allocs map[schema.ID]content
	last   uint64
	moved  map[string]uint64 // the index of the list of each node, and of each ID
}

// apply applies a batch, and returns its changed IDs and its refusal too.
func (m *model) apply(ops []Op, conditions []Condition) (a Applied, changed []schema.ID, refused error) {
	for i := range conditions {
		c := &conditions[i]
		actual := m.allocs[c.ID].modified
		if c.OfList {
			actual = max(m.moved[c.List.Name.Text+c.List.Prefix], 1) // never below 1
		}
		if actual > c.Index || actual < c.Index && !c.OfList {
			return a, nil, &Conflict{i, actual}
		}
	}
	b := modelBatch{after: maps.Clone(m.allocs), at: m.last + 1, writes: map[schema.ID]int{}, wrote: map[schema.ID]bool{}}
	for i := range ops {
		o := &ops[i]
		if _, known := b.after[o.ID]; !known && o.Kind != Upsert {
			if !slices.Contains(a.Unknown, o.ID.String()) {
				a.Unknown = append(a.Unknown, o.ID.String())
			}
			continue
		}
		b.writes[o.ID]++
		if err := b.apply(o); err != nil {
			return Applied{}, nil, err
		}
	}
	for _, id := range ids {
		was, existed := m.allocs[id]
		is, exists := b.after[id]
		if existed == exists && was.plain() == is.plain() {
			a.Unchanged += b.writes[id]
			b.after[id] = was
			if !exists {
				delete(b.after, id)
			}
			continue
		}
		changed = append(changed, id)
		if exists {
			is.modified = b.at
			if is.scheduled = was.scheduled; b.wrote[id] || is.created == b.at {
				is.scheduled = b.at
			}
			b.after[id] = is
		}
		m.moved[was.node], m.moved[is.node], m.moved[id.String()] = b.at, b.at, b.at
	}
	if len(changed) > 0 {
		m.last, m.allocs = b.at, b.after
	}
	a.Index = m.last
	return a, changed, nil
}

// A modelBatch is a batch on its way into the model.
type modelBatch struct {
	after  map[schema.ID]content
	at     uint64
	writes map[schema.ID]int
	wrote  map[schema.ID]bool // by the scheduler
}

// apply applies a write to a known ID, or an Upsert.
func (b *modelBatch) apply(o *Op) error {
	was, known := b.after[o.ID]
	is := was
	switch o.Kind {
	case Client:
		is.client = clientOf(o.Client)
	case ClientStatus:
		is.client = o.Status.Status
	case DesiredStatus:
		is.desired = o.Status.Status
		b.wrote[o.ID] = b.wrote[o.ID] || is != was
	case Delete:
		delete(b.after, o.ID)
		return nil
	case Upsert:
		s := schedOf(o.Sched)
		is.node, is.previous, is.desired, is.next = s.NodeID, s.PreviousAllocation, s.DesiredStatus, o.Next.ID
		if o.Job != nil {
			is.job = o.Job.Body
		}
		switch {
		case !known && o.Job == nil:
			return ErrNoJob
		case !known:
			is.client, is.created = clientOf(o.Client), b.at
		case o.Report != "":
			is.client = o.Report
		}
		if known && is.node == "" && was.node != "" {
			return schema.ErrInvalid
		}
		b.wrote[o.ID] = b.wrote[o.ID] || is != was
	}
	b.after[o.ID] = is
	if previous, ok := b.after[o.Previous.ID]; ok && o.Previous.Set {
		previous.next = o.ID
		b.after[o.Previous.ID] = previous
	}
	return nil
}

func schedOf(p Part) (a schema.Allocation) {
	if err := codec.DecodeScheduler(p.Body, schema.ID{}, &a); err != nil {
		panic(err)
	}
	return a
}

func clientOf(p Part) string {
	var a schema.Allocation
	if err := codec.DecodeClient(p.Body, &a); err != nil {
		panic(err)
	}
	return a.ClientStatus
}

// ids are the IDs of the test, in the order of the model's changes.
var ids = []schema.ID{{1}, {2}, {3}}

// input makes batches of bytes. At its end all choices are the first.
type input struct{ rest []byte }

func (in *input) of(n int) int {
	if len(in.rest) == 0 {
		return 0
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return int(b) % n
}

// id returns an ID, mostly the first, so that writes of a batch meet.
func (in *input) id() schema.ID { return ids[max(0, in.of(5)-2)] }

func (in *input) optional() OptionalID {
	if in.of(3) != 1 {
		return OptionalID{}
	}
	return OptionalID{in.id(), true}
}

// op returns a write. It is valid, except that an Upsert may lack a job or a node.
func (in *input) op() Op {
	statuses := []string{"run", "stop", schema.ClientStatusLost}
	o := Op{Kind: Kind(in.of(6)), ID: in.id()}
	a := &schema.Allocation{NodeID: []string{"a", "b", "a", "b", "a", "b", ""}[in.of(7)], DesiredStatus: statuses[in.of(2)], ClientStatus: statuses[in.of(3)]}
	switch o.Kind {
	case Upsert:
		o.Previous, o.Next = in.optional(), in.optional()
		a.PreviousAllocation = o.Previous.String()
		o.Sched = SchedulerPart(string(codec.AppendScheduler(nil, a)), a.DesiredStatus)
		o.Client = ClientPart(string(codec.AppendClient(nil, a)), a.ClientStatus)
		o.Empty = EmptyFields(a)
		if a.ClientStatus == schema.ClientStatusLost {
			o.Report = a.ClientStatus
		}
		if n := in.of(3); n > 0 || in.of(4) > 0 {
			job := string(codec.AppendJob(nil, &schema.Job{ID: fmt.Sprint("job", n)}))
			o.Job = &Job{Hash: record.HashJob(job), Body: job}
		}
	case Event:
		o.Kind = Client
		fallthrough
	case Client:
		o.Client = ClientPart(string(codec.AppendClient(nil, a)), a.ClientStatus)
	default:
		o.Status = &Status{Status: a.ClientStatus}
	}
	return o
}

// condition returns a condition that holds now and then, at an index up to last.
func (in *input) condition(last uint64) Condition {
	c := Condition{Index: last - min(last, uint64(in.of(4)))}
	switch in.of(3) {
	case 0:
		c.ID = in.id()
	case 1:
		c.OfList, c.List = true, lists.Query{Name: lists.Name{Kind: lists.ByNode, Text: []string{"a", "b"}[in.of(2)]}, IDs: lists.All()}
	default:
		id := in.id()
		c.OfList, c.List = true, lists.Query{Name: lists.Name{Kind: lists.Everything}, IDs: lists.Range{Low: id, High: id}, Prefix: id.String()}
	}
	return c
}

// FuzzPlan plans the batches that the input describes, in groups, and compares each with the model.
// The groups are published in one transaction, which is rolled back.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(100) {
		r, data := rand.New(rand.NewPCG(seed, 0)), make([]byte, 800)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	file := openFile(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := state.LoadRaw(context.Background(), file.Raw(), stateOptions())
		require.NoError(t, err)
		require.NoError(t, file.Update(func(tx logfile.Tx) (bool, error) {
			run := modelRun{t: t, st: st, tx: tx, in: input{data}, model: model{allocs: map[schema.ID]content{}, last: index.Created, moved: map[string]uint64{}}}
			run.groups()
			return false, nil
		}))
	})
}

func stateOptions() *state.Options {
	return &state.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// openFile opens a new file, which is closed at the end of the test.
func openFile(t testing.TB) *logfile.File {
	t.Helper()
	f, err := logfile.Open(filepath.Join(t.TempDir(), "plan.db"), logfile.Options{LockTimeout: time.Second, InitialMmapBytes: 1 << 30, OpenFile: os.OpenFile})
	require.NoError(t, err)
	_, err = state.Open(f, stateOptions())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// A modelRun plans groups of batches and applies them to the model.
type modelRun struct {
	t     *testing.T
	st    *state.State
	tx    logfile.Tx
	in    input
	model model
}

func (r *modelRun) groups() {
	p := New()
	for len(r.in.rest) > 0 {
		p.Begin(r.st, r.tx)
		p.Track([]Condition{{OfList: true}})
		for range 1 + r.in.of(4) {
			r.batch(p)
		}
		r.publish(p)
	}
}

// batch plans one batch, and compares its result and the content after it.
func (r *modelRun) batch(p *Plan) {
	var ops []Op
	var conditions []Condition
	for range r.in.of(8) {
		ops = append(ops, r.in.op())
	}
	if r.in.of(3) == 1 {
		conditions = append(conditions, r.in.condition(p.Last()))
	}
	first := len(p.Changes())
	a, refused, err := p.Add(&Batch{Ops: ops, Conditions: conditions, Limits: Limits{BatchBytes: 1 << 20, AllocationBytes: 1 << 20}})
	require.NoError(r.t, err)
	want, changed, wantRefused := r.model.apply(ops, conditions)
	require.Equal(r.t, want, a, "%+v", ops)
	if conflict := (*Conflict)(nil); errors.As(wantRefused, &conflict) {
		require.Equal(r.t, wantRefused, refused)
	} else {
		require.ErrorIs(r.t, refused, wantRefused)
	}
	require.Equal(r.t, r.model.last, p.Last())
	var got []schema.ID
	for i, ch := range p.Changes()[first:] {
		got = append(got, ch.ID)
		require.Equal(r.t, record.Key{Index: a.Index, Pos: uint32(i)}, ch.Key)
	}
	require.ElementsMatch(r.t, changed, got)
	for _, id := range ids {
		require.Equal(r.t, r.model.allocs[id], r.content(p, id), "allocation %v after %+v", id, ops)
	}
}

// content reads the newest version of an allocation in the transaction.
func (r *modelRun) content(p *Plan, id schema.ID) (c content) {
	v := p.Newest(&id)
	if v == nil || v.Tombstone() {
		return c
	}
	var records [3]record.Record
	for i, k := range []record.Key{v.Pair().Sched, v.Pair().Client, v.Pair().Newest()} {
		var err error
		records[i], err = r.tx.Version(id, k)
		require.NoError(r.t, err)
	}
	sched, client, newest := records[0], records[1], records[2]
	job, err := r.tx.Job(v.Job.Hash)
	require.NoError(r.t, err)
	require.Equal(r.t, v.Job.Hash, record.HashJob(string(job)), "the job is in the transaction")
	a := schedOf(Part{Body: sched.Sched})
	return content{
		node: a.NodeID, previous: a.PreviousAllocation, desired: a.DesiredStatus,
		client: clientOf(Part{Body: client.Client}), job: string(job), next: newest.Next,
		created: v.Created, scheduled: v.Scheduled(), modified: v.Modified(),
	}
}

// publish publishes the group in memory.
func (r *modelRun) publish(p *Plan) {
	r.st.Index.Commit(p.Last())
	p.PublishJobs()
	for i := range p.Changes() {
		r.st.Publish(&p.Changes()[i].Change)
	}
	r.st.Index.Publish(p.Last())
	p.Reset()
	p.arena = arena{} // the transaction goes on, and has the values of this one
}
