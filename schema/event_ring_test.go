package schema

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// everyAnnotation is an event with every field set.
func everyAnnotation() TaskEvent {
	return TaskEvent{
		KillError: "kill error", Message: "message", Signal: 9, ExitCode: -1, DriverError: "driver error",
		Time: 1447806038427841000, Type: TaskTerminated, FailsTask: true, RestartReason: "restart reason",
		SetupError: "setup error", DriverMessage: "driver message", KillReason: "kill reason",
		KillTimeout: 5 * time.Second, StartDelay: 15_000_000_000, DownloadError: "download error",
		ValidationError: "validation error", DiskLimit: 300 << 20, FailedSibling: "sibling", TaskSignal: "SIGHUP",
		TaskSignalReason: "signal reason", Details: map[string]string{"exit": "137", "OOM": "true", "": "empty"},
	}
}

// randomEvent sets some fields of an event.
func randomEvent(r *rand.Rand) TaskEvent {
	ev := everyAnnotation()
	v := reflect.ValueOf(&ev).Elem()
	for i := range v.NumField() {
		if r.IntN(3) > 0 {
			v.Field(i).SetZero()
		}
	}
	ev.Time = r.Int64()
	return ev
}

func TestEventRingAgainstSlice(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 200 {
		var ring EventRing
		var all []TaskEvent
		for range r.IntN(3 * MaxTaskEvents) {
			before, want := ring, slices.Collect(ring.All())
			ev := randomEvent(r)
			ring.Append(ev)
			all = append(all, ev)
			require.Equal(t, want, slices.Collect(before.All()), "a copy must not see a later Append")
		}
		kept := all[max(0, len(all)-MaxTaskEvents):]
		require.Equal(t, len(kept), ring.Len(), "a ring holds the latest %d", MaxTaskEvents)
		require.Equal(t, uint64(len(all)-len(kept)), ring.Dropped(), "a ring counts the dropped events")
		require.Equal(t, slices.Clone(kept), slices.Collect(ring.All()), "a ring yields its events oldest first")
		require.Equal(t, ringOf(all), ring, "a longer list gives the ring of its events appended one by one")
		if len(kept) > 0 {
			require.Equal(t, kept[0], first(ring), "a loop may stop early")
		}
	}
}

func first(ring EventRing) TaskEvent {
	for ev := range ring.All() {
		return ev
	}
	return TaskEvent{}
}

func TestEventRingZeroValue(t *testing.T) {
	t.Parallel()
	var ring EventRing
	require.Zero(t, ring.Len())
	require.Zero(t, ring.Dropped())
	require.Empty(t, slices.Collect(ring.All()))
	text, err := json.Marshal(ring)
	require.NoError(t, err)
	require.Equal(t, "null", string(text), "an empty ring is null in JSON")
}

func TestEventRingJSON(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for _, n := range []int{1, MaxTaskEvents, MaxTaskEvents + 5} {
		events := make([]TaskEvent, n)
		for i := range events {
			events[i] = randomEvent(r)
		}
		text, err := json.Marshal(events)
		require.NoError(t, err)
		var ring EventRing
		require.NoError(t, json.Unmarshal(text, &ring))
		require.Equal(t, ringOf(events), ring, "a ring reads a list of %d", n)
		text, err = json.Marshal(ring)
		require.NoError(t, err)
		want, err := json.Marshal(events[max(0, n-MaxTaskEvents):])
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(text), "a ring is a list")
	}
}

// TestEventRingReadsOtherForms decodes events in the forms of other writers. The ring must be the
// one that Append makes, because equal content must be equal bytes.
func TestEventRingReadsOtherForms(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for range 200 {
		events := make([]TaskEvent, 1+r.IntN(2*MaxTaskEvents))
		for i := range events {
			events[i] = randomEvent(r)
		}
		want := ringOf(events)
		for form, src := range map[string][]byte{
			"our own":          ownForm(events),
			"wide integers":    libraryForm(t, plain(events)),
			"unknown fields":   libraryForm(t, plainer{"new"}.value(reflect.ValueOf(events))),
			"zeros at the end": libraryForm(t, plainer{""}.value(reflect.ValueOf(events))),
		} {
			rd := reader{src: string(src)}
			require.Equal(t, want, rd.events(0), "events must not depend on their form: %s", form)
			require.NoError(t, rd.end())
		}
	}
}

func ownForm(events []TaskEvent) []byte {
	if len(events) == 0 {
		return appendNil(nil)
	}
	src := appendArrayLen(nil, len(events))
	for i := range events {
		src = appendEvent(src, &events[i])
	}
	return src
}

// libraryForm is the library's encoding, with integers of eight bytes and unordered maps.
func libraryForm(t *testing.T, v any) []byte {
	src, err := msgpack.Marshal(v)
	require.NoError(t, err)
	return src
}

func TestEventRingLooseForms(t *testing.T) {
	t.Parallel()
	for form, src := range map[string]string{
		"nil for an event":          "\x91\xc0",
		"array16 of an event":       "\x91\xdc\x00\x01\xa1a",
		"a zero at the end":         "\x91\x92\xa1a\x00",
		"str8 of a short string":    "\x91\x91\xd9\x01a",
		"str16 of a short string":   "\x91\x91\xda\x00\x01a",
		"str32 of a short string":   "\x91\x91\xdb\x00\x00\x00\x01a",
		"uint8 of a small integer":  "\x91\x92\xa1a\xcc\x01",
		"int16 of a positive one":   "\x91\x92\xa1a\xd1\x01\x00",
		"int64 of a small negative": "\x91\x92\xa1a\xd3\xff\xff\xff\xff\xff\xff\xff\xff",
		"keys out of order":         "\x91\x99\xa0\x00\xa0\x00\x00\xa0\xa0\xc2\x82\xa1b\xa0\xa1a\xa0",
		"an empty map":              "\x91\x9a\xa0\x00\xa0\x00\x00\xa0\xa0\xc2\x80\xa1r",
	} {
		r := reader{src: src}
		ring := r.events(0)
		require.NoError(t, r.end(), form)
		require.Equal(t, ringOf(slices.Collect(ring.All())), ring, "must be taken into our form: %s", form)
		require.NotContains(t, src, ring.packed, "must not be kept as it is: %s", form)
	}
	r := reader{src: "\x91\x99\xa0\x00\xa0\x00\x00\xa0\xa0\xc2\x82\xa1a\xa0\xa1a\xa0"}
	r.events(0)
	require.ErrorIs(t, r.end(), ErrMalformed, "a key of Details twice must be refused")
}
