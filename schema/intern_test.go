package schema

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// decodeKept decodes a with c, from memory that is then overwritten.
func decodeKept(t *testing.T, c *Codec, a *Allocation, job *Job) *Allocation {
	t.Helper()
	id, err := ParseID(a.ID)
	require.NoError(t, err)
	d := &Allocation{Job: job}
	src := appendScheduler(nil, a)
	require.NoError(t, c.DecodeScheduler(unsafe.String(&src[0], len(src)), id, d))
	clear(src)
	src = appendClient(nil, a)
	require.NoError(t, c.DecodeClient(unsafe.String(&src[0], len(src)), d))
	clear(src)
	return d
}

// TestDecodeCopies compares decoded allocations with those that share the memory of their source,
// after that memory was overwritten: with the job, with another one, and without.
func TestDecodeCopies(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	var c Codec
	for range 3000 {
		a := randomAllocation(r)
		want := &Allocation{ID: a.ID}
		alias := reader{src: string(appendScheduler(nil, a)) + string(appendClient(nil, a))}
		alias.scheduler(want)
		alias.client(want)
		require.NoError(t, alias.end())
		for _, job := range []*Job{a.Job, documented().Job, nil} {
			got := decodeKept(t, &c, a, job)
			want.Job = job
			require.Equal(t, want, got, "the copies must be equal")
		}
	}
}

// TestDecodeInterns compares the addresses of strings that two allocations have in common.
func TestDecodeInterns(t *testing.T) {
	t.Parallel()
	var c Codec
	job := documented().Job
	first := decodeKept(t, &c, documented(), job)
	second := decodeKept(t, &c, documented(), job)
	require.NotSame(t, unsafe.StringData(first.Name), unsafe.StringData(second.Name), "the name is an allocation's own")
	for what, pair := range map[string][2]string{
		"evaluation": {first.EvalID, second.EvalID},
		"node":       {first.NodeID, second.NodeID},
		"job":        {first.JobID, job.ID},
		"group":      {first.TaskGroup, job.TaskGroups[0].Name},
		"state":      {first.TaskStates["redis"].State, second.TaskStates["redis"].State},
		"score":      {keyOf(first.Metrics.Scores), keyOf(second.Metrics.Scores)},
		"task":       {keyOf(first.TaskResources), keyOf(second.TaskStates)},
	} {
		require.Equal(t, pair[0], pair[1])
		require.Same(t, unsafe.StringData(pair[0]), unsafe.StringData(pair[1]), "%s: shared", what)
	}
}

func keyOf[V any](m map[string]V) string {
	for key := range m {
		return key
	}
	return ""
}

// TestInternTableIsBounded interns more strings than the table holds, from several goroutines.
func TestInternTableIsBounded(t *testing.T) {
	t.Parallel()
	var c Codec
	t.Run("all", func(t *testing.T) {
		for range 4 {
			t.Run("one", func(t *testing.T) {
				t.Parallel()
				for i := range 2 * internSets * internWays {
					if text := fmt.Sprint("node-", i); c.intern(text) != text {
						t.Errorf("%s is another", text)
					}
				}
			})
		}
	})
	long := strings.Repeat("x", maxInterned+1)
	for _, text := range []string{"", long[:1], long[1:], long} {
		require.Equal(t, text, c.intern(text))
	}
	taken := 0
	for i := range c.table.Load().sets {
		set := &c.table.Load().sets[i]
		for way := range set.strings {
			if set.strings[way].Load() != nil {
				taken++
			}
		}
	}
	require.Greater(t, taken, internSets*internWays*9/10, "the table must be used fully")
}

// TestSlabFits looks for unused structs in the slab of the documented allocation.
func TestSlabFits(t *testing.T) {
	t.Parallel()
	c := newCoder(&reader{src: string(appendScheduler(nil, documented()))})
	new(Allocation).schedulerFields(&c)
	require.NoError(t, c.r.end())
	left := []int{len(c.r.spare.resources), len(c.r.spare.networks), len(c.r.spare.ports), len(c.r.spare.metric)}
	require.Equal(t, []int{0, 0, 0, 0}, left, "a slab has no unused structs")
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.EqualValues(t, 504, unsafe.Sizeof(slab{}), "it fills a size class of 512 bytes")
	}
}

// TestDecodeAllocations bounds the memory allocations for decoding the documented allocation. It
// is not parallel, because the count is of the whole process.
func TestDecodeAllocations(t *testing.T) {
	var c Codec
	src, client := string(appendScheduler(nil, documented())), string(appendClient(nil, documented()))
	job := documented().Job
	decode := func() {
		a := &Allocation{Job: job}
		require.NoError(t, c.DecodeScheduler(src, ID{}, a))
		require.NoError(t, c.DecodeClient(client, a))
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, decode), 11.0,
		"the allocation, its structs, a task's state, each one's texts, and two for each map")
}
