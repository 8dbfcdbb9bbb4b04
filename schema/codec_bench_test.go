package schema

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

func BenchmarkAppend(b *testing.B) {
	a := documented()
	busy := withEvents(documented(), MaxTaskEvents)
	for name, appendPart := range map[string]func([]byte) []byte{
		"scheduler":     func(dst []byte) []byte { return appendScheduler(dst, a) },
		"client":        func(dst []byte) []byte { return appendClient(dst, a) },
		"client/events": func(dst []byte) []byte { return appendClient(dst, busy) },
		"job":           func(dst []byte) []byte { return appendJob(dst, a.Job) },
	} {
		b.Run("part="+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 4096)
			for b.Loop() {
				dst = appendPart(dst[:0])
			}
			b.ReportMetric(float64(len(dst)), "bytes")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	var c Codec
	scheduler := string(appendScheduler(nil, documented()))
	client := string(appendClient(nil, documented()))
	busy := string(appendClient(nil, withEvents(documented(), MaxTaskEvents)))
	job := string(appendJob(nil, documented().Job))
	for name, decode := range map[string]func() error{
		"scheduler":        func() error { return c.DecodeScheduler(scheduler, ID{}, new(Allocation)) },
		"client":           func() error { return c.DecodeClient(client, new(Allocation)) },
		"client/events":    func() error { return c.DecodeClient(busy, new(Allocation)) },
		"job":              func() error { _, err := decodeJob(job); return err },
		"placement":        func() error { _, err := c.Placement(scheduler); return err },
		"scheduler+client": func() error { return decodeBoth(&c, scheduler, client) },
	} {
		b.Run("part="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// decodeBoth decodes the two parts of an allocation without a job.
func decodeBoth(c *Codec, scheduler, client string) error {
	a := new(Allocation)
	if err := c.DecodeScheduler(scheduler, ID{}, a); err != nil {
		return err
	}
	return c.DecodeClient(client, a)
}

func BenchmarkEventRingAppend(b *testing.B) {
	b.ReportAllocs()
	var r EventRing
	ev := TaskEvent{Type: TaskTerminated, Time: 1447806038427841000, ExitCode: 137, Signal: 9}
	for b.Loop() {
		ev.Time++
		r.Append(ev)
	}
}

func BenchmarkEventRingAll(b *testing.B) {
	b.ReportAllocs()
	r := withEvents(documented(), MaxTaskEvents).TaskStates["redis"].Events
	for b.Loop() {
		for ev := range r.All() {
			if ev.Time == 0 {
				b.Fatal("an event lost its time")
			}
		}
	}
}

// BenchmarkClientPart compares the codec with the library's primitives, for the same arrays. The
// library's buffer, encoder and decoder are reused. See store/design/0001-messagepack-by-hand.md.
func BenchmarkClientPart(b *testing.B) {
	for _, events := range []int{1, MaxTaskEvents} {
		a := withEvents(documented(), events)
		src := appendClient(nil, a)
		name := map[int]string{1: "events=1", MaxTaskEvents: "events=10"}[events]
		b.Run("append/by=hand/"+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 4096)
			for b.Loop() {
				dst = appendClient(dst[:0], a)
			}
		})
		b.Run("append/by=library/"+name, func(b *testing.B) {
			b.ReportAllocs()
			var lib libraryEncoder
			want := lib.client(a, libraryEvents(a))
			require.Equal(b, src, want, "both must do the same work")
			unpacked := libraryEvents(a)
			for b.Loop() {
				lib.client(a, unpacked)
			}
		})
		b.Run("decode/by=hand/"+name, func(b *testing.B) {
			b.ReportAllocs()
			text := string(src)
			var c Codec
			for b.Loop() {
				if err := c.DecodeClient(text, new(Allocation)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/by=library/"+name, func(b *testing.B) {
			b.ReportAllocs()
			lib := libraryDecoder{Decoder: msgpack.NewDecoder(nil)}
			for b.Loop() {
				lib.client(src, new(Allocation))
				if lib.err != nil {
					b.Fatal(lib.err)
				}
			}
		})
	}
}

// libraryEncoder writes the client's part through msgpack.Encoder.
type libraryEncoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
	err error
}

func libraryEvents(a *Allocation) map[string][]TaskEvent {
	events := make(map[string][]TaskEvent)
	for task, s := range a.TaskStates {
		for ev := range s.Events.All() {
			events[task] = append(events[task], ev)
		}
	}
	return events
}

func (l *libraryEncoder) client(a *Allocation, events map[string][]TaskEvent) []byte {
	l.buf.Reset()
	if l.enc == nil {
		l.enc = msgpack.NewEncoder(&l.buf)
	}
	l.keep(l.enc.EncodeArrayLen(3))
	l.keep(l.enc.EncodeString(a.ClientStatus))
	l.keep(l.enc.EncodeString(a.ClientDescription))
	l.keep(l.enc.EncodeMapLen(len(a.TaskStates)))
	for task, s := range a.TaskStates {
		l.keep(l.enc.EncodeString(task))
		l.state(s, events[task])
	}
	return l.buf.Bytes()
}

func (l *libraryEncoder) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *libraryEncoder) state(s *TaskState, events []TaskEvent) {
	l.keep(l.enc.EncodeArrayLen(8))
	l.keep(l.enc.EncodeString(s.State))
	l.keep(l.enc.EncodeBool(s.Failed))
	l.keep(l.enc.EncodeUint(s.Restarts))
	l.keep(l.enc.EncodeInt(int64(s.LastRestart)))
	l.keep(l.enc.EncodeInt(int64(s.StartedAt)))
	l.keep(l.enc.EncodeInt(int64(s.FinishedAt)))
	l.keep(l.enc.EncodeUint(s.Events.Dropped()))
	l.keep(l.enc.EncodeArrayLen(len(events)))
	for i := range events {
		l.event(&events[i])
	}
}

// event writes the fields that withEvents sets.
func (l *libraryEncoder) event(ev *TaskEvent) {
	if ev.ExitCode == 0 {
		l.keep(l.enc.EncodeArrayLen(2))
		l.keep(l.enc.EncodeString(ev.Type))
		l.keep(l.enc.EncodeInt(ev.Time))
		return
	}
	l.keep(l.enc.EncodeArrayLen(4))
	l.keep(l.enc.EncodeString(ev.Type))
	l.keep(l.enc.EncodeInt(ev.Time))
	l.keep(l.enc.EncodeString(ev.Message))
	l.keep(l.enc.EncodeInt(int64(ev.ExitCode)))
}

// libraryDecoder reads the client's part through msgpack.Decoder.
type libraryDecoder struct {
	*msgpack.Decoder
	in  bytes.Reader
	err error
}

func (l *libraryDecoder) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *libraryDecoder) str() string {
	s, err := l.DecodeString()
	l.keep(err)
	return s
}

func (l *libraryDecoder) int64() int64 {
	v, err := l.DecodeInt64()
	l.keep(err)
	return v
}

func (l *libraryDecoder) array() int {
	n, err := l.DecodeArrayLen()
	l.keep(err)
	return n
}

func (l *libraryDecoder) client(src []byte, a *Allocation) {
	l.in.Reset(src)
	l.Reset(&l.in)
	l.array()
	a.ClientStatus, a.ClientDescription = l.str(), l.str()
	n, err := l.DecodeMapLen()
	l.keep(err)
	a.TaskStates = make(map[string]*TaskState, n)
	for range n {
		key := l.str()
		a.TaskStates[key] = l.state()
	}
}

// state keeps the events encoded, as the ring does, so that both sides do the same work.
func (l *libraryDecoder) state() *TaskState {
	s := new(TaskState)
	l.array()
	s.State = l.str()
	failed, err := l.DecodeBool()
	l.keep(err)
	s.Failed, s.Restarts = failed, uint64(l.int64())
	s.LastRestart, s.StartedAt, s.FinishedAt = UnixNano(l.int64()), UnixNano(l.int64()), UnixNano(l.int64())
	s.Events.dropped = uint64(l.int64())
	raw, err := l.DecodeRaw()
	l.keep(err)
	s.Events.packed = string(raw)
	return s
}

// BenchmarkCodec decodes an allocation as the store does on first use, with its job.
func BenchmarkCodec(b *testing.B) {
	job := documented().Job
	id, err := ParseID(documented().ID)
	require.NoError(b, err)
	scheduler := string(appendScheduler(nil, documented()))
	client := string(appendClient(nil, documented()))
	var c Codec
	b.ReportAllocs()
	for b.Loop() {
		a := &Allocation{Job: job}
		if err := c.DecodeScheduler(scheduler, id, a); err != nil {
			b.Fatal(err)
		}
		if err := c.DecodeClient(client, a); err != nil {
			b.Fatal(err)
		}
	}
}
