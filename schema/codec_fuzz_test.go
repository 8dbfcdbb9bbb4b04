package schema

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// perByte and atLeast bound the memory that a decoder may allocate. One byte may encode a struct
// of some 130 bytes with all fields zero, and maps and growing lists take a few times the memory
// of their elements.
const (
	perByte = 1024
	atLeast = 64 << 10
)

// fuzzCodec checks the properties of a decoder for any bytes: no panic, memory in proportion to
// the input, and for bytes that decode a canonical encoding.
func fuzzCodec[T any](f *testing.F, decode func(string) (T, error), encode func(T) []byte) {
	a := withEvents(documented(), MaxTaskEvents)
	later, err := DecodeJSON(fixture(f, "allocation-later.json"))
	require.NoError(f, err)
	for _, seed := range [][]byte{
		appendScheduler(nil, later), appendClient(nil, later), appendJob(nil, later.Job), appendAllocation(nil, later),
		appendScheduler(nil, a), appendClient(nil, a), appendJob(nil, a.Job), appendAllocation(nil, a), appendJob(nil, tortured()),
		appendClient(nil, &Allocation{TaskStates: map[string]*TaskState{"t": {Events: ringOf([]TaskEvent{everyAnnotation()})}}}),
		[]byte("\x93\xa0\xa0\xdf\xff\xff\xff\xff"), []byte("\x93\xa0\xa0\x81\xa0\x98\xa0\xc2\x00\x00\x00\x00\x00\x91\x92\xa0\xd1\x00\x01"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := decode(string(src))
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(atLeast+perByte*len(src)), "memory must be in proportion to the input")
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed, "bytes that do not decode are malformed")
			return
		}
		once := encode(v)
		again, err := decode(string(once))
		require.NoError(t, err, "an encoding must decode")
		require.Equal(t, once, encode(again), "an encoding must be canonical")
	})
}

// fuzzed has its table of strings already, so that it does not count as memory for the input.
var fuzzed = func() *Codec {
	c := new(Codec)
	c.intern("table")
	return c
}()

// same panics if the two ways to decode differ in their results.
func same(err, keptErr error, once, kept []byte) {
	if (err == nil) != (keptErr == nil) || err == nil && string(once) != string(kept) {
		panic(fmt.Sprintf("decoded %x, %v, but into memory of its own %x, %v", once, err, kept, keptErr))
	}
}

func FuzzDecodeScheduler(f *testing.F) {
	fuzzCodec(f, func(src string) (*Allocation, error) {
		a := new(Allocation)
		r := reader{src: src}
		r.scheduler(a)
		err := named("scheduler's part", r.end())
		kept := new(Allocation)
		same(err, fuzzed.DecodeScheduler(src, ID{}, kept), appendScheduler(nil, a), appendScheduler(nil, kept))
		return a, err
	}, func(a *Allocation) []byte { return appendScheduler(nil, a) })
}

func FuzzDecodeClient(f *testing.F) {
	fuzzCodec(f, func(src string) (*Allocation, error) {
		a := new(Allocation)
		r := reader{src: src}
		r.client(a)
		err := named("client's part", r.end())
		kept := new(Allocation)
		same(err, fuzzed.DecodeClient(src, kept), appendClient(nil, a), appendClient(nil, kept))
		return a, err
	}, func(a *Allocation) []byte {
		for task, s := range a.TaskStates {
			if s != nil {
				want := ringOf(slices.Collect(s.Events.All()))
				want.dropped = s.Events.dropped
				if s.Events != want {
					panic("the events of " + task + " are not as Append packs them")
				}
			}
		}
		return appendClient(nil, a)
	})
}

func FuzzDecodeJob(f *testing.F) {
	fuzzCodec(f, decodeJob, func(j *Job) []byte { return appendJob(nil, j) })
}

func FuzzDecodeAllocation(f *testing.F) {
	fuzzCodec(f, decodeAllocation, func(a *Allocation) []byte { return appendAllocation(nil, a) })
}
