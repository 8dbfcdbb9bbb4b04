package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// trip returns the batch that b's bytes stand for. It requires that the batch is the same in all
// that can be seen of it, and that it shares no memory with the bytes.
func trip(t testing.TB, b *store.Batch) *store.Batch {
	t.Helper()
	data, err := b.MarshalBinary()
	require.NoError(t, err)
	kept := string(data)
	out := new(store.Batch)
	out.Upsert(placed(99)) // which is replaced
	out.Expect("no ID", 1)
	require.NoError(t, out.UnmarshalBinary(data))
	clear(data)
	require.Equal(t, b.Account(), out.Account())
	require.Equal(t, kept, marshal(t, out), "a batch has one encoding")
	require.Equal(t, kept, marshal(t, b), "the bytes are the caller's")
	return out
}

func marshal(t testing.TB, b *store.Batch) string {
	t.Helper()
	data, err := b.MarshalBinary()
	require.NoError(t, err)
	return string(data)
}

// faulty are writes and conditions that are refused when they are added. A batch keeps their faults.
var faulty = []func(*store.Batch){
	func(b *store.Batch) { b.Upsert(nil) },
	func(b *store.Batch) { b.Upsert(&schema.Allocation{ID: "no ID", Name: "\xff"}) },
	func(b *store.Batch) { b.Upsert(&schema.Allocation{ID: idOf(1), PreviousAllocation: idOf(1)}) },
	func(b *store.Batch) {
		a := placed(1)
		a.Job.TaskGroups = []schema.TaskGroup{{Tasks: []schema.Task{{Config: map[string]any{"port": make(chan int), "x": math.NaN()}}}}}
		b.Upsert(a)
	},
	func(b *store.Batch) { b.UpdateFromClient(nil) },
	func(b *store.Batch) {
		b.UpdateFromClient(&schema.Allocation{ID: idOf(1), TaskStates: map[string]*schema.TaskState{"": nil}})
	},
	func(b *store.Batch) {
		b.UpdateFromClient(&schema.Allocation{ID: idOf(1), ClientExtra: map[string]json.RawMessage{"x": []byte("{")}})
	},
	func(b *store.Batch) { b.AppendTaskEvent("no ID", "web", "", schema.TaskEvent{}) },
	func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "", "", schema.TaskEvent{}) },
	func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "web", "\xff", schema.TaskEvent{}) },
	func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "web", "", schema.TaskEvent{Message: "\xff"}) },
	func(b *store.Batch) { b.SetClientStatus(idOf(1), "", "text") },
	func(b *store.Batch) { b.SetDesiredStatus("no ID", "stop", "") },
	func(b *store.Batch) { b.Delete(strings.Repeat("no ID", 100)) },
	func(b *store.Batch) { b.Expect("no ID", 1) },
	func(b *store.Batch) { b.ExpectList(store.Selector{}, 1) },
	func(b *store.Batch) { b.ExpectList(store.Prefix("no ID"), 1) },
}

// TestBatchBinaryKeepsFaults makes the trip with each fault, beside a good write. Apply returns the
// same error: its text, and the errors that it is.
func TestBatchBinaryKeepsFaults(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "faults.db"), nil)
	for i, add := range append(faulty, func(b *store.Batch) {
		for _, add := range faulty {
			add(b)
		}
	}) {
		b := new(store.Batch)
		b.Upsert(placed(1))
		add(b)
		_, want := s.Apply(t.Context(), b)
		require.Error(t, want, i)
		_, got := s.Apply(t.Context(), trip(t, b))
		require.EqualError(t, got, want.Error())
		for _, is := range []error{store.ErrInvalid, store.ErrInvalidID, store.ErrTooLarge} {
			require.Equal(t, errors.Is(want, is), errors.Is(got, is), "%v: %v", is, want)
		}
	}
	require.Equal(t, uint64(1), s.LastIndex())
}

// TestBatchBinaryModel applies random batches to one store directly, and to another after trips
// between their writes. Results, errors and content must be equal.
func TestBatchBinaryModel(t *testing.T) {
	t.Parallel()
	forSeeds(t, 4, func(t *testing.T, seed uint64) {
		d := dice{rand.New(rand.NewPCG(seed, 0))}
		opts := &store.Options{MaxAllocationBytes: 150, MaxBatchBytes: 1000, FeedRetention: -1}
		direct, tripped := open(t, tempPath(t, "direct.db"), opts), open(t, tempPath(t, "tripped.db"), opts)
		m, refusals := newModel(), map[string]int{}
		for range 200 {
			var steps []step
			a, b := new(store.Batch), new(store.Batch)
			for range 1 + d.IntN(1+d.IntN(12)) {
				st := d.step(m)
				steps = append(steps, st)
				write := st.write
				switch id := d.id(); d.IntN(100) {
				case 0:
					write = faulty[d.IntN(len(faulty))]
				case 1, 2, 3, 4, 5, 6, 7, 8:
					write = func(b *store.Batch) { b.Expect(id, 0) }
				}
				write(a)
				write(b)
				if d.IntN(4) == 0 {
					b = trip(t, b)
				}
			}
			require.Equal(t, marshal(t, a), marshal(t, b))
			require.Equal(t, a.Account(), b.Account())
			want, wantErr := direct.Apply(t.Context(), a)
			got, err := tripped.Apply(t.Context(), trip(t, b))
			requireSameError(t, refusals, wantErr, err)
			require.Equal(t, want, got, "%v", kinds(steps))
			require.Equal(t, direct.LastIndex(), tripped.LastIndex())
			if wantErr == nil {
				_, _ = m.apply(steps) // for the indexes of the next conditions
			}
		}
		require.Equal(t, contentOf(t, direct), contentOf(t, tripped))
		require.NotEmpty(t, contentOf(t, direct))
		t.Log(refusals)
		require.NotZero(t, refusals["conflict"])
		require.NotZero(t, refusals["too large"])
	})
}

// requireSameError requires that two errors have one text and are the same errors of the store. It
// counts them.
func requireSameError(t *testing.T, count map[string]int, want, got error) {
	t.Helper()
	if want == nil {
		require.NoError(t, got)
		return
	}
	require.EqualError(t, got, want.Error())
	for _, is := range []error{store.ErrInvalid, store.ErrInvalidID, store.ErrTooLarge, store.ErrNoJob, store.ErrConflict} {
		require.Equal(t, errors.Is(want, is), errors.Is(got, is), "%v: %v", is, want)
		if errors.Is(want, is) {
			count[is.Error()]++
		}
	}
	var wantConflict, conflict *store.ConflictError
	if errors.As(want, &wantConflict) {
		require.ErrorAs(t, got, &conflict)
		require.Equal(t, wantConflict, conflict)
	}
}

// everyWrite returns a batch with every kind of write and condition, in their usual and their rare
// forms.
func everyWrite(t testing.TB) *store.Batch {
	t.Helper()
	b := new(store.Batch)
	for i, name := range []string{"allocation", "allocation-later", "allocation"} {
		text, err := os.ReadFile("../testdata/" + name + ".json")
		require.NoError(t, err)
		a, err := schema.DecodeJSON(text)
		require.NoError(t, err)
		a.ID = idOf(10 + i)
		if i == 2 {
			a.PreviousAllocation, a.NextAllocation = strings.ToUpper(idOf(10)), idOf(13)
			a.ClientStatus, a.NodeID = schema.ClientStatusLost, ""
		}
		b.Upsert(a)
		a.ID = idOf(11 - i%2)
		b.UpdateFromClient(a)
	}
	b.Upsert(&schema.Allocation{ID: idOf(11), NodeID: "n", JobID: "web", TaskGroup: "g"})
	b.AppendTaskEvent(idOf(10), "redis", "", schema.TaskEvent{})
	b.AppendTaskEvent(idOf(10), "web", "running", schema.TaskEvent{
		Type: schema.TaskRestarting, Time: -5, StartDelay: 1 << 40, FailsTask: true, Details: map[string]string{"b": "x", "a": "y"},
		Extra: map[string]json.RawMessage{"k": []byte(" [1.50] ")},
	})
	b.SetClientStatus(idOf(12), "unknown", strings.Repeat("long ", 100))
	b.SetDesiredStatus(strings.ToUpper(idOf(12)), "stop", "")
	b.Delete(idOf(10))
	b.Delete(idOf(77))
	b.Expect(idOf(10), 0)
	b.Expect(strings.ToUpper(idOf(11)), 0)
	b.ExpectList(store.Node("node1").NonTerminal().Placements(), 1)
	b.ExpectList(store.Job("").NonTerminal(), math.MaxUint64)
	b.ExpectList(store.Eval("é\xff").Placements(), 2)
	b.ExpectList(store.Prefix("0000000A-"), 3)
	b.ExpectList(store.Everything(), 4)
	return b
}

func everyFault() *store.Batch {
	b := new(store.Batch)
	for _, add := range faulty {
		add(b)
	}
	return b
}

// goldenBatch is the path of a batch in a version of its bytes.
const goldenBatch = "../testdata/golden/batch-%s-%d.bin"

// TestBatchBinaryGolden compares the bytes with those of version 1 as they were fixed, and reads
// those. A later release must read them too. The messages of faults may change.
func TestBatchBinaryGolden(t *testing.T) {
	for name, b := range map[string]*store.Batch{"writes": everyWrite(t), "faults": everyFault(), "empty": new(store.Batch)} {
		path := fmt.Sprintf(goldenBatch, name, 1)
		if *rewrite {
			require.NoError(t, os.WriteFile(path, []byte(marshal(t, b)), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		var read store.Batch
		require.NoError(t, read.UnmarshalBinary(want))
		require.Equal(t, string(want), marshal(t, &read))
		direct, tripped := open(t, tempPath(t, "direct.db"), nil), open(t, tempPath(t, "tripped.db"), nil)
		applied, wantErr := direct.Apply(t.Context(), b)
		got, err := tripped.Apply(t.Context(), &read)
		if name == "faults" {
			require.Error(t, wantErr)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorIs(t, err, store.ErrInvalidID)
			continue
		}
		require.NoError(t, wantErr)
		require.NoError(t, err)
		require.Equal(t, string(want), marshal(t, b), "a released version never changes")
		require.Equal(t, applied, got)
		require.Equal(t, contentOf(t, direct), contentOf(t, tripped))
	}
}

// TestBatchBinaryRefuses reads a version that is unknown, every beginning of a batch, and a batch with
// one byte changed. Each is refused with the place, and the batch stays as it was; or it is another
// batch, which has these bytes.
func TestBatchBinaryRefuses(t *testing.T) {
	t.Parallel()
	b := everyWrite(t)
	b.Delete("no ID")
	whole, before := []byte(marshal(t, b)), placed(1)
	out := new(store.Batch)
	out.Upsert(before)
	kept, account := marshal(t, out), out.Account()
	refuse := func(data []byte, want error, text string) {
		err := out.UnmarshalBinary(data)
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, text)
		require.Equal(t, kept, marshal(t, out), "an error leaves the batch")
		require.Equal(t, account, out.Account())
	}
	for _, v := range []byte{0, 2, 255} {
		refuse(append([]byte{v}, whole[1:]...), store.ErrFormatVersion, fmt.Sprintf("version %d, this package reads 1", v))
	}
	refuse(append(whole[:len(whole):len(whole)], 0), schema.ErrMalformed, fmt.Sprintf("offset %d: want the end", len(whole)))
	for n := range whole {
		refuse(whole[:n], schema.ErrMalformed, "offset ")
	}
	refused := 0
	for i := range whole[1:] {
		changed := append([]byte(nil), whole...)
		changed[1+i] ^= 1 << (i % 8)
		var other store.Batch
		if err := other.UnmarshalBinary(changed); err != nil {
			refused++
			require.ErrorIs(t, err, schema.ErrMalformed)
			require.ErrorContains(t, err, "offset ")
			continue
		}
		require.Equal(t, string(changed), marshal(t, &other))
	}
	require.Greater(t, refused, len(whole)/20)
	require.Less(t, refused, len(whole))
}

// BenchmarkBatchBinary reports the bytes of a batch, and the time to write and to read them.
func BenchmarkBatchBinary(b *testing.B) {
	text, err := os.ReadFile("../testdata/allocation.json")
	require.NoError(b, err)
	a, err := schema.DecodeJSON(text)
	require.NoError(b, err)
	event := schema.TaskEvent{Type: schema.TaskStarted, Time: 1447806038427841000}
	fills := []struct {
		of   string
		fill func(*store.Batch)
	}{
		{"placement", func(b *store.Batch) { b.Upsert(a) }},
		{"client", func(b *store.Batch) { b.UpdateFromClient(a) }},
		{"event", func(b *store.Batch) { b.AppendTaskEvent(a.ID, "redis", "running", event) }},
		{"1000placements", func(b *store.Batch) {
			for n := range 1000 {
				one := a.Clone()
				one.ID = idOf(n)
				b.Upsert(one)
			}
		}},
	}
	for _, f := range fills {
		var batch store.Batch
		f.fill(&batch)
		data := []byte(marshal(b, &batch))
		b.Run("of="+f.of+"/do=marshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = batch.MarshalBinary()
			}
			b.ReportMetric(float64(len(data)), "bytes")
		})
		b.Run("of="+f.of+"/do=unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := batch.UnmarshalBinary(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzUnmarshalBatch applies batches of any bytes to a store with some content. Nothing panics, and
// the content can be read, written as JSON and opened again.
func FuzzUnmarshalBatch(f *testing.F) {
	for _, b := range []*store.Batch{everyWrite(f), everyFault(), new(store.Batch)} {
		f.Add([]byte(marshal(f, b)))
	}
	d, m := dice{rand.New(rand.NewPCG(1, 2))}, newModel()
	for range 50 {
		b := new(store.Batch)
		for range 1 + d.IntN(4) {
			d.step(m).write(b)
		}
		f.Add([]byte(marshal(f, b)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b store.Batch
		if b.UnmarshalBinary(data) != nil {
			return
		}
		require.Equal(t, string(data), marshal(t, &b))
		path := tempPath(t, "fuzz.db")
		for range 2 {
			s, err := store.Open(path, nil)
			require.NoError(t, err)
			_, _ = s.Upsert(t.Context(), placed(10), placed(11))
			_, _ = s.Apply(t.Context(), &b)
			require.NoError(t, s.Err())
			for a, err := range s.All() {
				require.NoError(t, err)
				_, _ = json.Marshal(a)
			}
			for range s.Check(t.Context()) {
			}
			require.NoError(t, s.Close())
		}
	})
}
