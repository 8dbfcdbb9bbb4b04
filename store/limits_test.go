package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// TestLimits applies batches that are a little too large for the options of the store, in one
// write or as a whole. The batch is refused and the error names the write.
func TestLimits(t *testing.T) {
	t.Parallel()
	const limit = 4096
	s := open(t, tempPath(t, "limits.db"), &store.Options{MaxAllocationBytes: limit, MaxBatchBytes: 2 * limit})
	long := strings.Repeat("x", limit)
	for n := range 3 {
		a := placed(4 + n)
		a.ClientDescription = long[:limit*3/4]
		upsert(t, s, a)
	}
	for n := range 3 {
		a := placed(7 + n)
		a.Name = long[:limit*3/4]
		upsert(t, s, a)
		a = &schema.Allocation{ID: a.ID, TaskStates: map[string]*schema.TaskState{long[:limit*3/4]: {}}}
		updateClient(t, s, a)
	}
	last := upsert(t, s, placed(1), placed(2), placed(3))
	named := func(n int) *schema.Allocation { a := placed(n); a.Name = long; return a }
	jobbed := func(n int) *schema.Allocation {
		a := placed(n)
		a.Job = &schema.Job{ID: "large", Name: long[:limit*3/4]}
		return a
	}
	half := func(n int) *schema.Allocation {
		return &schema.Allocation{ID: idOf(n), ClientDescription: long[:limit*7/8]}
	}
	event := func(b *store.Batch, n int, message string) {
		b.AppendTaskEvent(idOf(n), "task", "", schema.TaskEvent{Type: schema.TaskDriverMessage, Message: message})
	}
	for name, c := range map[string]struct {
		fill func(*store.Batch)
		want string
	}{
		"a placement":        {func(b *store.Batch) { b.Delete(idOf(2)); b.Upsert(named(1)) }, "batch write 1, allocation " + idOf(1)},
		"its job":            {func(b *store.Batch) { a := placed(1); a.Job.Name = long; b.Upsert(a) }, "batch write 0, allocation " + idOf(1)},
		"a client's update":  {func(b *store.Batch) { b.UpdateFromClient(&schema.Allocation{ID: idOf(1), ClientDescription: long}) }, "batch write 0"},
		"an event":           {func(b *store.Batch) { event(b, 1, long) }, "batch write 0"},
		"events, in all":     {func(b *store.Batch) { event(b, 1, long[:limit*2/3]); event(b, 1, long[:limit*2/3]) }, idOf(1)},
		"an event on a part": {func(b *store.Batch) { b.UpdateFromClient(half(1)); event(b, 1, long[:limit/2]) }, idOf(1)},
		"a batch": {func(b *store.Batch) {
			b.UpdateFromClient(half(1))
			b.UpdateFromClient(half(2))
			b.UpdateFromClient(half(3))
		}, "batch of 3 writes"},
		"a status":           {func(b *store.Batch) { b.SetDesiredStatus(idOf(1), "stop", long) }, "batch write 0"},
		"a status on a part": {func(b *store.Batch) { b.SetClientStatus(idOf(7), "lost", long[:limit/2]) }, "client's part"},
		"on the other part":  {func(b *store.Batch) { b.SetDesiredStatus(idOf(7), "stop", long[:limit/2]) }, "scheduler's part"},
		"statuses on stored parts": {func(b *store.Batch) {
			for n := range 3 {
				b.SetClientStatus(idOf(4+n), "lost", "short")
			}
		}, "stored content"},
		"on stored parts": {func(b *store.Batch) {
			for n := range 3 {
				b.SetDesiredStatus(idOf(7+n), "stop", "short")
			}
		}, "stored content"},
		"stored events": {func(b *store.Batch) {
			for n := range 3 {
				event(b, 4+n, "short")
			}
		}, "stored content"},
	} {
		var b store.Batch
		c.fill(&b)
		_, err := s.Apply(t.Context(), &b)
		require.ErrorIs(t, err, store.ErrTooLarge, name)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, last, s.LastIndex(), "a refused batch changes nothing: %s", name)
	}
	shared := new(store.Batch)
	for n := range 20 { // a shared job counts once
		shared.Upsert(jobbed(n))
	}
	apply(t, s, shared)
}

// TestAboveTheLimit lowers the limits below what is stored: both parts of an allocation are above
// MaxAllocationBytes, and each above MaxBatchBytes. Its statuses can be set, at the limit too, and
// nothing else makes it longer.
func TestAboveTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 4096
	for _, resident := range []int64{0, 1} {
		path := tempPath(t, "above.db")
		s := openToClose(t, path, &store.Options{MaxAllocationBytes: 8 * limit})
		large, atLimit := placed(1), placed(2)
		large.Name, large.ClientDescription = strings.Repeat("x", 3*limit), strings.Repeat("y", limit/2)
		large.TaskStates = map[string]*schema.TaskState{strings.Repeat("z", 3*limit): {}}
		atLimit.Name = strings.Repeat("x", limit-len(new(schema.Codec).AppendScheduler(nil, atLimit))-3)
		require.Len(t, new(schema.Codec).AppendScheduler(nil, atLimit), limit)
		upsert(t, s, large, atLimit)
		shut(t, s)

		s = open(t, path, &store.Options{MaxAllocationBytes: limit, MaxBatchBytes: 2 * limit, ResidentBytes: resident})
		done := func(_ store.Applied, err error) { t.Helper(); require.NoError(t, err) }
		refused := func(_ store.Applied, err error) {
			t.Helper()
			require.ErrorIs(t, err, store.ErrTooLarge)
			require.ErrorContains(t, err, "MaxAllocationBytes")
		}
		long, event := strings.Repeat("d", 300), schema.TaskEvent{Type: "Driver", Time: 1}
		for range 2 { // the second time on a part that is longer than the first was
			done(s.SetDesiredStatus(t.Context(), idOf(2), "stop", ""))
			done(s.SetDesiredStatus(t.Context(), idOf(2), "evict", strings.Repeat("d", 250)))
			refused(s.SetDesiredStatus(t.Context(), idOf(2), "stop", long))
		}
		refused(s.SetDesiredStatus(t.Context(), idOf(1), "stop", long))
		done(s.SetDesiredStatus(t.Context(), idOf(1), "stop", "why"))
		refused(s.AppendTaskEvent(t.Context(), idOf(1), "t", "running", event))
		var both store.Batch
		both.SetClientStatus(idOf(1), "failed", long)
		both.AppendTaskEvent(idOf(1), "t", "running", event)
		done(s.Apply(t.Context(), &both)) // which leaves it shorter
		done(s.SetClientStatus(t.Context(), idOf(1), "lost", ""))
		refused(s.SetClientStatus(t.Context(), idOf(1), "failed", long))
		event.Time++
		refused(s.AppendTaskEvent(t.Context(), idOf(1), "t", "running", event))
		got := mustGet(t, s, 1)
		require.Equal(t, []string{"stop", "why", "lost", ""},
			[]string{got.DesiredStatus, got.DesiredDescription, got.ClientStatus, got.ClientDescription})
		require.Equal(t, large.Name, got.Name)
		require.Equal(t, 1, got.TaskStates["t"].Events.Len())
	}
}

// TestWritesThatChangeNothing applies more statuses and events than MaxBatchBytes has room for
// copies of the stored parts. They change nothing, and each part counts once.
func TestWritesThatChangeNothing(t *testing.T) {
	t.Parallel()
	const limit = 4096
	for _, resident := range []int64{0, 1} {
		s := open(t, tempPath(t, "same.db"), &store.Options{MaxAllocationBytes: limit, MaxBatchBytes: 3 * limit, ResidentBytes: resident})
		event := schema.TaskEvent{Type: "Driver", Time: 1, Message: strings.Repeat("x", limit*3/4)}
		for n := range 2 {
			a := placed(n)
			a.DesiredStatus, a.Name = "run", strings.Repeat("x", limit*3/4)
			upsert(t, s, a)
			_, err := s.AppendTaskEvent(t.Context(), idOf(n), "t", "running", event)
			require.NoError(t, err)
		}
		last, was := s.LastIndex(), contentOf(t, s)
		fill := func(b *store.Batch, n int) {
			for range 20 {
				b.SetDesiredStatus(idOf(n), "run", "")
				b.SetClientStatus(idOf(n), "pending", "")
			}
			b.AppendTaskEvent(idOf(n), "t", "running", event)
			b.AppendTaskEvent(idOf(n), "t", "running", event)
		}
		var b store.Batch
		fill(&b, 0)
		applied, err := s.Apply(t.Context(), &b)
		require.NoError(t, err)
		require.Equal(t, store.Applied{Index: last, Unchanged: b.Len()}, applied)
		require.Equal(t, was, contentOf(t, s))

		b.Reset()
		b.SetDesiredStatus(idOf(0), "run", "")
		b.SetClientStatus(idOf(0), "pending", "")
		b.SetDesiredStatus(idOf(1), "run", "")
		b.SetClientStatus(idOf(1), "pending", "")
		_, err = s.Apply(t.Context(), &b)
		require.ErrorIs(t, err, store.ErrTooLarge, "the parts of two allocations, each once, whether in memory or not")
	}
}
