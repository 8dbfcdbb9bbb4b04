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

// fuzzCodec checks the properties of a decoder for any bytes: no panic, memory in proportion to the
// input, and for bytes that decode a canonical encoding. The Check method, which may be nil, takes
// exactly the canonical encodings.
func fuzzCodec[T any](f *testing.F, decode func(string) (T, error), encode func(T) []byte, check func(string) error) {
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
			requireChecked(t, check, src, false)
			return
		}
		once := encode(v)
		requireChecked(t, check, src, string(once) == string(src))
		requireChecked(t, check, once, true)
		again, err := decode(string(once))
		require.NoError(t, err, "an encoding must decode")
		require.Equal(t, once, encode(again), "an encoding must be canonical")
	})
}

// requireChecked requires that check accepts src, or refuses it as malformed.
func requireChecked(t *testing.T, check func(string) error, src []byte, ok bool) {
	if check == nil {
		return
	}
	if err := check(string(src)); ok {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "offset ")
	}
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
	}, func(a *Allocation) []byte { return appendScheduler(nil, a) },
		func(src string) error { return fuzzed.CheckScheduler(src, new(Allocation)) })
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
	}, func(src string) error { return fuzzed.CheckClient(src, new(Allocation)) })
}

func FuzzDecodeJob(f *testing.F) {
	fuzzCodec(f, decodeJob, func(j *Job) []byte { return appendJob(nil, j) },
		func(src string) error { _, err := fuzzed.CheckJob(src); return err })
}

func FuzzDecodeAllocation(f *testing.F) {
	fuzzCodec(f, decodeAllocation, func(a *Allocation) []byte { return appendAllocation(nil, a) }, nil)
}
