package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/internal/record"
)

// digestOf is the oracle of Digest: the sum over decoded allocations, encoded anew.
func digestOf(t *testing.T, content map[string]*schema.Allocation) (sum uint64) {
	t.Helper()
	var codec schema.Codec
	part := func(b []byte) uint32 { return record.PartSum(string(b)) }
	for _, a := range content {
		id, err := schema.ParseID(a.ID)
		require.NoError(t, err)
		v := record.Visible{
			ID: id, Job: record.HashJob(string(codec.AppendJob(nil, a.Job))),
			Created: a.CreateIndex, Scheduled: a.AllocModifyIndex, Modified: a.ModifyIndex,
			SchedSum: part(codec.AppendScheduler(nil, a)), ClientSum: part(codec.AppendClient(nil, a)),
		}
		if a.NextAllocation != "" {
			v.HasNext = true
			v.Next, err = schema.ParseID(a.NextAllocation)
			require.NoError(t, err)
		}
		sum += v.DigestNumber()
	}
	return sum
}

// requireDigest requires the digest and the index that belongs to it.
func requireDigest(t *testing.T, index, digest uint64, s *store.Store) {
	t.Helper()
	at, got := s.Digest()
	require.Equal(t, []string{fmt.Sprint(index), fmt.Sprintf("%x", digest)}, []string{fmt.Sprint(at), fmt.Sprintf("%x", got)}, "index and digest")
}

// restored returns a new store with a backup of s.
func restored(t *testing.T, s *store.Store) *store.Store {
	t.Helper()
	stream, _ := backupOf(t, s)
	other := open(t, tempPath(t, "restored.db"), &store.Options{Logger: silent, FeedRetention: -1})
	require.NoError(t, other.Restore(t.Context(), bytes.NewReader(stream)))
	return other
}

// TestDigestStays compacts a store, opens it again, reads it, and restores its backup and a backup
// of that. The digest stays, and is that of the allocations that the store returns. A closed store
// has it.
func TestDigestStays(t *testing.T) {
	t.Parallel()
	s := storeWithHistory(t, "digest.db")
	content := map[string]*schema.Allocation{}
	for a, err := range s.All() {
		require.NoError(t, err)
		content[a.ID] = a
	}
	index, digest := s.Digest()
	require.Equal(t, s.LastIndex(), index)
	require.Equal(t, digestOf(t, content), digest)
	first := restored(t, s)
	requireDigest(t, index, digest, first)
	requireDigest(t, index, digest, restored(t, first))
	require.NoError(t, s.Sweep(t.Context()))
	requireDigest(t, index, digest, s)
	require.NoError(t, s.Compact(t.Context()))
	requireDigest(t, index, digest, s)
	shut(t, s)
	requireDigest(t, index, digest, s)

	stream, _ := backupOf(t, first)
	require.NoError(t, first.Restore(t.Context(), bytes.NewReader(stream)))
	requireDigest(t, index+1, digest, first) // a restore takes an index
	path := tempPath(t, "again.db")
	again := openToClose(t, path, nil)
	requireDigest(t, 1, 0, again)
	require.NoError(t, again.Restore(t.Context(), bytes.NewReader(stream)))
	shut(t, again)
	requireDigest(t, index, digest, open(t, path, &store.Options{ReadOnly: true}))
}

// TestDigestForgetsHistory brings two stores to equal content at equal indexes in different ways.
// Only one has allocations that are deleted, versions in between, and a client's part that was
// written in one piece. The digests are equal at the end, and not before.
func TestDigestForgetsHistory(t *testing.T) {
	t.Parallel()
	direct := open(t, tempPath(t, "direct.db"), nil)
	devious := open(t, tempPath(t, "devious.db"), &store.Options{FeedRetention: -1})
	at := func(s *store.Store, index uint64, write func(*store.Batch)) {
		t.Helper()
		var b store.Batch
		write(&b)
		a, err := s.ApplyAt(t.Context(), index, &b)
		require.NoError(t, err)
		require.Equal(t, index, a.Index)
	}
	both := func(index uint64, write, other func(*store.Batch)) {
		t.Helper()
		at(direct, index, write)
		at(devious, index, other)
	}
	upsert := func(a *schema.Allocation) func(*store.Batch) { return func(b *store.Batch) { b.Upsert(a) } }
	event := func(i int) schema.TaskEvent { return schema.TaskEvent{Type: schema.TaskStarted, Time: int64(i)} }
	other := changedName(1)
	other.Job = &schema.Job{ID: "job", Priority: 3}

	at(devious, 3, upsert(placed(1))) // deleted, and forgotten
	at(devious, 4, func(b *store.Batch) { b.Delete(idOf(1)); b.Upsert(placed(9)) })
	require.NoError(t, devious.Sweep(t.Context()))
	both(10, upsert(placed(1)), upsert(other))
	requireDiffer(t, direct, devious)
	at(devious, 11, func(b *store.Batch) { b.SetClientStatus(idOf(1), "running", "") })
	at(devious, 12, func(b *store.Batch) { b.Delete(idOf(9)) })
	both(20, upsert(changedName(1)), upsert(changedName(1)))
	requireDiffer(t, direct, devious)
	for i := range 14 {
		at(devious, 21+uint64(i), func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "task", schema.TaskStateRunning, event(i)) })
	}
	ended := func(b *store.Batch) { b.AppendTaskEvent(idOf(1), "task", schema.TaskStateDead, event(99)) }
	at(devious, 40, ended)
	at(devious, 41, func(b *store.Batch) { b.SetClientStatus(idOf(1), "pending", "") })
	at(devious, 42, func(b *store.Batch) { b.SetClientStatus(idOf(1), "complete", "done") })
	whole := mustGet(t, devious, 1).Clone()
	whole.ClientStatus = "failed"
	both(50, func(b *store.Batch) { b.UpdateFromClient(whole) }, func(b *store.Batch) { b.SetClientStatus(idOf(1), "failed", "done") })
	next := placed(2)
	next.PreviousAllocation = idOf(1)
	both(60, upsert(next), upsert(next))
	require.Equal(t, contentOf(t, direct), contentOf(t, devious))
	index, digest := direct.Digest()
	require.EqualValues(t, 60, index)
	requireDigest(t, index, digest, devious)
	require.NoError(t, devious.Compact(t.Context()))
	requireDigest(t, index, digest, restored(t, devious))

	moved := placed(2) // the same client's part, placed again
	moved.NodeID, moved.PreviousAllocation = "elsewhere", idOf(1)
	both(70, upsert(moved), func(b *store.Batch) { b.Delete(idOf(2)); b.Upsert(moved) })
	requireDiffer(t, direct, devious) // CreateIndex
	both(80, func(b *store.Batch) { b.Delete(idOf(1)); b.Delete(idOf(2)) }, func(b *store.Batch) { b.Delete(idOf(2)); b.Delete(idOf(1)) })
	requireDigest(t, 80, 0, direct)
	requireDigest(t, 80, 0, devious)
}

func requireDiffer(t *testing.T, a, b *store.Store) {
	t.Helper()
	i, first := a.Digest()
	j, second := b.Digest()
	require.NotEqual(t, contentOf(t, a), contentOf(t, b), "at %d and %d", i, j)
	require.NotEqual(t, first, second, "at %d and %d", i, j)
}

// TestDigestHasEveryField writes an allocation with all fields, changed in one field at a time. The
// digest must differ from that of the unchanged one at the same indexes.
func TestDigestHasEveryField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/allocation-later.json")
	require.NoError(t, err)
	base, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	base.NextAllocation, base.PreviousAllocation = idOf(8), idOf(9)
	s := open(t, tempPath(t, "fields.db"), nil)
	n := 0
	eachChange(base, func(name string, changed *schema.Allocation) {
		applied, err := s.Upsert(t.Context(), changed)
		require.NoError(t, err, name)
		got, err := s.Get(changed.ID)
		require.NoError(t, err)
		unchanged := base.Clone()
		unchanged.CreateIndex, unchanged.ModifyIndex, unchanged.AllocModifyIndex = applied.Index, applied.Index, applied.Index
		without := digestOf(t, map[string]*schema.Allocation{base.ID: unchanged})
		requireDigest(t, applied.Index, digestOf(t, map[string]*schema.Allocation{got.ID: got}), s)
		_, digest := s.Digest()
		if name == "" {
			require.Equal(t, without, digest, "unchanged")
		} else {
			require.NotEqual(t, without, digest, name)
			require.NotEqual(t, reflect.ValueOf(unchanged).Elem().Interface(), reflect.ValueOf(got).Elem().Interface(), name)
		}
		n++
		remove(t, s, got.ID)
		_, digest = s.Digest()
		require.Zero(t, digest)
	})
	require.Greater(t, n, 100, "changes")
}

// TestDigestBelongsToItsIndex reads digests beside writes, and compares each with what the writer
// got at that index.
func TestDigestBelongsToItsIndex(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "pairs.db"), nil)
	written := map[uint64]uint64{1: 0}
	var readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	read := make([]map[uint64]uint64, 2)
	for i := range read {
		read[i] = map[uint64]uint64{}
		readers.Go(func() {
			for last := uint64(0); ctx.Err() == nil; {
				before := s.LastIndex()
				index, digest := s.Digest()
				if was, ok := read[i][index]; index < before || index < last || ok && was != digest {
					t.Errorf("digest %x of index %d after index %d and %d, it was %x", digest, index, before, last, was)
					return
				}
				last, read[i][index] = index, digest
				runtime.Gosched()
			}
		})
	}
	for i := range 100 {
		a := placed(i % 20)
		a.Name = fmt.Sprint(i)
		index := upsert(t, s, a)
		at, digest := s.Digest()
		require.Equal(t, index, at, "the writer sees its own write")
		written[index] = digest
	}
	stop()
	readers.Wait()
	for _, pairs := range read {
		for index, digest := range pairs {
			require.Equal(t, written[index], digest, "index %d", index)
		}
	}
}

// TestDigestOfGroups applies batches that are committed in one group, and refused ones among them.
func TestDigestOfGroups(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t, "group.db"), nil)
	upsert(t, s, placed(1))
	release := s.Hold()
	var writers sync.WaitGroup
	for i := range 30 {
		writers.Go(func() {
			var b store.Batch
			a := placed(1 + i%3)
			a.Name = fmt.Sprint(i)
			b.Upsert(a)
			if i%5 == 0 {
				b.Delete(idOf(2))
			}
			if i%4 == 0 {
				b.Expect(idOf(1), 1) // never holds
			}
			if _, err := s.Apply(context.Background(), &b); err != nil && i%4 != 0 {
				t.Error(err)
			}
		})
	}
	for s.Queued() < 30 {
		require.NoError(t, t.Context().Err())
	}
	release()
	writers.Wait()
	content := map[string]*schema.Allocation{}
	for a, err := range s.All() {
		require.NoError(t, err)
		content[a.ID] = a
	}
	requireDigest(t, s.LastIndex(), digestOf(t, content), s)
}

// TestDigestOfQuarantined damages what an allocation needs that has a NextAllocation. Its digest is
// then another one, unless only the job is damaged. The deletion of the allocation removes what it
// has in the digest, as it does in a store without damage.
func TestDigestOfQuarantined(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage
		same bool
	}{
		"the newest record":              {damage: damage{bucket: "log", value: recordAt(3, 1)}},
		"the record before":              {damage: damage{bucket: "log", value: recordAt(2, 0)}},
		"the job":                        {damage: damage{bucket: "jobs", value: func(_, v []byte) bool { return bytes.Contains(v, []byte("other")) }}, same: true},
		"the newest record, with others": {damage: damage{bucket: "log", value: func(k, _ []byte) bool { return len(k) == record.KeyLen && k[7] <= 3 }}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t, "damaged.db")
			s := openToClose(t, path, nil)
			old, next := placed(1), placed(2)
			old.Job, next.PreviousAllocation = &schema.Job{ID: "other"}, idOf(1)
			upsert(t, s, old)  // 2.0
			upsert(t, s, next) // 3.0, and 3.1 of the old one
			require.Equal(t, idOf(2), mustGet(t, s, 1).NextAllocation)
			index, digest := s.Digest()
			shut(t, s)
			edit(t, path, func(tx *bbolt.Tx) error {
				b, damaged := tx.Bucket([]byte(c.bucket)), 0
				var keys [][]byte
				require.NoError(t, b.ForEach(func(k, v []byte) error {
					if c.value(k, v) {
						keys = append(keys, bytes.Clone(k))
					}
					return nil
				}))
				for _, k := range keys {
					v := bytes.Clone(b.Get(k))
					v[len(v)-1] ^= 0x10
					require.NoError(t, b.Put(k, v))
					damaged++
				}
				require.NotZero(t, damaged)
				return nil
			})
			s = open(t, path, &store.Options{Logger: silent, FeedRetention: -1})
			at, got := s.Digest()
			require.Equal(t, []any{index, c.same}, []any{at, got == digest})
			other := restored(t, s)
			require.NoError(t, s.Compact(t.Context()))
			for _, s := range []*store.Store{s, other} {
				requireDigest(t, index, got, s)
				remove(t, s, idOf(1), idOf(2))
				requireDigest(t, index+1, 0, s)
				require.NoError(t, s.Compact(t.Context())) // removes the damage
			}
		})
	}
}

// eachChange calls fn with a clone of a, and then with clones in which one visible value is another.
func eachChange(a *schema.Allocation, fn func(name string, changed *schema.Allocation)) {
	fn("", a.Clone())
	for i := 0; ; i++ {
		c := changer{left: i}
		changed := a.Clone()
		if c.walk("Allocation", reflect.ValueOf(changed).Elem()); c.name == "" {
			return
		}
		fn(c.name, changed)
	}
}

// A changer changes the value number left of those that it walks over.
type changer struct {
	left int
	name string // of what was changed
}

// notStored are values that the store sets, or that identify the allocation.
var notStored = map[string]bool{
	"Allocation.ID": true, "Allocation.CreateIndex": true, "Allocation.ModifyIndex": true, "Allocation.AllocModifyIndex": true,
}

// take reports whether the value of that name is to be changed.
func (c *changer) take(name string) bool {
	if c.name != "" || notStored[name] {
		return false
	}
	if c.left--; c.left < 0 {
		c.name = name
	}
	return c.name != ""
}

func (c *changer) walk(name string, v reflect.Value) {
	switch x := v.Interface().(type) {
	case schema.EventRing:
		if c.take(name) {
			x.Append(schema.TaskEvent{Type: "another"})
			v.Set(reflect.ValueOf(x))
		}
		return
	case json.RawMessage:
		if c.take(name) {
			v.Set(reflect.ValueOf(json.RawMessage(`"another"`)))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.walk(name, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(fmt.Sprint(name, "[", i, "]"), v.Index(i))
		}
	case reflect.Map:
		c.walkMap(name, v)
	case reflect.Interface:
		if c.take(name) {
			v.Set(reflect.ValueOf("another"))
		}
	default:
		if c.take(name) {
			change(v)
		}
	}
}

// walkMap walks over the values of a map, and over its length.
func (c *changer) walkMap(name string, m reflect.Value) {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if c.name != "" {
			return
		}
		e := reflect.New(m.Type().Elem()).Elem()
		e.Set(m.MapIndex(k))
		c.walk(fmt.Sprint(name, "[", k, "]"), e)
		m.SetMapIndex(k, e)
	}
	if m.Len() > 0 && c.take(name+" without a key") {
		m.SetMapIndex(keys[0], reflect.Value{})
	}
}

// change changes a plain value. An ID stays one.
func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		if _, err := schema.ParseID(v.String()); err == nil {
			v.SetString(strings.Repeat("0", 7) + "3" + v.String()[8:])
		} else {
			v.SetString(v.String() + "x")
		}
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Uint64, reflect.Uint8, reflect.Uint32, reflect.Uint:
		v.SetUint(v.Uint() + 1)
	default:
		v.SetInt(v.Int() + 1)
	}
}

func BenchmarkDigest(b *testing.B) {
	s, err := store.Open(tempPath(b, "bench.db"), nil)
	require.NoError(b, err)
	defer s.Close()
	for b.Loop() {
		s.Digest()
	}
}
