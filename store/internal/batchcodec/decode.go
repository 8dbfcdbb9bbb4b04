package batchcodec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/plan"
	"allocstore/store/internal/record"
)

// Decode returns the batch that data has the bytes of. Its memory is its own. An error is
// record.ErrFormatVersion for a version that this package does not know, and else schema.ErrMalformed
// with the offset.
func Decode(data []byte) (*Batch, error) {
	if len(data) > 0 && data[0] != version {
		return nil, fmt.Errorf("%w: the batch has version %d, this package reads %d", record.ErrFormatVersion, data[0], version)
	}
	r := reader{src: string(data)}
	r.byte("a version")
	for n, i := r.count("a number of jobs", minText), 0; i < n && r.err == nil; i++ {
		r.job()
	}
	if n := r.count("a number of conditions", minCondition); n > 0 {
		r.b.Conditions = make([]plan.Condition, n)
	}
	for i := 0; i < len(r.b.Conditions) && r.err == nil; i++ {
		r.condition(&r.b.Conditions[i])
		r.in("condition", i)
	}
	r.b.ConditionFaults = r.faults("a number of conditions' faults")
	if n := r.count("a number of writes", minWrite); n > 0 {
		r.b.Ops = make([]plan.Op, n)
	}
	for i := 0; i < len(r.b.Ops) && r.err == nil; i++ {
		r.write(&r.b.Ops[i])
		r.in("write", i)
	}
	if r.used < len(r.jobs) {
		r.fail(r.off, "a use of every job before the end of the writes")
	}
	r.b.Faults = r.faults("a number of faults")
	if r.off != len(r.src) {
		r.fail(r.off, "the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.b, nil
}

// The shortest elements. A number of elements is compared with the bytes left before memory is
// allocated for them.
const (
	minText      = 1
	minFault     = 1 + minText
	minCondition = 1 + 1 + minText + 8
	minWrite     = 1 + len(schema.ID{})
)

// A reader reads a batch. The first error is kept, and moves it to the end, where all reads fail.
type reader struct {
	src  string
	off  int
	err  error
	b    Batch
	jobs []*plan.Job
	used int               // the first jobs, which writes have used
	part schema.Allocation // for the fields of the part that was decoded last
}

// fail records that want was not found at offset at.
func (r *reader) fail(at int, want string) {
	r.stop(fmt.Errorf("%w: offset %d: want %s", schema.ErrMalformed, at, want))
}

// stop keeps the first error, and moves to the end.
func (r *reader) stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.off = len(r.src)
}

// in adds to the error the element that it is in.
func (r *reader) in(list string, i int) {
	if r.err != nil {
		r.err = fmt.Errorf("%s %d: %w", list, i, r.err)
	}
}

// malformedPart records that the bytes at offset at are not those of a part.
func (r *reader) malformedPart(at int, err error) {
	r.stop(fmt.Errorf("%d bytes at offset %d: %w", r.off-at, at, err))
}

func (r *reader) byte(want string) byte {
	if r.off >= len(r.src) {
		r.fail(r.off, want)
		return 0
	}
	r.off++
	return r.src[r.off-1]
}

// bytes returns the next n bytes, or "" if there are fewer.
func (r *reader) bytes(n int, want string) string {
	if n > len(r.src)-r.off {
		r.fail(r.off, want)
		return ""
	}
	r.off += n
	return r.src[r.off-n : r.off]
}

// number returns a number, which has its shortest form and is at most limit.
func (r *reader) number(want string, limit int) int {
	v, n := binary.Uvarint(record.UnsafeBytes(r.src[r.off:]))
	if n <= 0 || v > uint64(limit) || n > 1 && r.src[r.off+n-1] == 0 {
		r.fail(r.off, want)
		return 0
	}
	r.off += n
	return int(v)
}

// count returns a number of elements that have at least size bytes each.
func (r *reader) count(want string, size int) int { return r.number(want, (len(r.src)-r.off)/size) }

func (r *reader) text(want string) string { return r.bytes(r.count(want, 1), want) }

func (r *reader) id() (id schema.ID) {
	copy(id[:], r.bytes(len(id), "an ID"))
	return id
}

func (r *reader) job() {
	body := r.text("a job")
	if r.err != nil {
		return
	}
	at := r.off - len(body)
	parsed, err := codec.CheckJob(body)
	if err == nil && parsed == nil {
		err = fmt.Errorf("%w: no job", schema.ErrMalformed)
	}
	if err != nil {
		r.malformedPart(at, err)
		return
	}
	j := &plan.Job{Hash: record.HashJob(body), Body: body}
	if r.b.Jobs == nil {
		r.b.Jobs = make(map[record.JobHash]*plan.Job)
	}
	if r.b.Jobs[j.Hash] != nil {
		r.fail(at, "another job than those before")
	}
	r.b.Jobs[j.Hash], r.jobs = j, append(r.jobs, j)
}

func (r *reader) condition(c *plan.Condition) {
	at := r.off
	switch kind := r.byte("a kind of condition"); {
	case kind == ofAllocation:
		c.ID = r.id()
	case kind <= ofPrefix:
		c.OfList = true
		r.list(kind, &c.List)
	default:
		r.fail(at, "a kind of condition")
	}
	if index := r.bytes(8, "an index"); index != "" {
		c.Index = binary.BigEndian.Uint64(record.UnsafeBytes(index))
	}
}

// list reads the list of a condition. Its text is copied, because an error of Apply may hold it for
// long.
func (r *reader) list(kind byte, q *lists.Query) {
	at := r.off
	q.Variant = lists.Variant(r.byte("a variant"))
	if q.Variant&^(lists.NonTerminal|lists.Placements) != 0 {
		r.fail(at, "a variant of a list")
	}
	at = r.off
	text := strings.Clone(r.text("the name of a list"))
	q.Name, q.IDs = lists.Name{Text: text}, lists.All()
	switch kind {
	case ofNode:
		q.Name.Kind = lists.ByNode
	case ofJob:
		q.Name.Kind = lists.ByJob
	case ofEval:
		q.Name.Kind = lists.ByEval
	case ofPrefix:
		var err error
		q.Name, q.Prefix = lists.Name{Kind: lists.Everything}, text
		q.IDs.Low, q.IDs.High, err = schema.IDRange(text)
		if err != nil || text != strings.TrimRight(strings.ToLower(text), "-") {
			r.fail(at, "a prefix of an ID in lower case")
		}
	}
}

// write reads a write and derives the fields that the bytes do not have.
func (r *reader) write(o *plan.Op) {
	at := r.off
	kind := r.byte("a kind of write")
	o.ID = r.id()
	switch kind {
	case upsertWrite:
		o.Kind = plan.Upsert
		r.upsert(o)
	case clientWrite:
		o.Kind = plan.Client
		r.client(o)
	case eventWrite:
		o.Kind = plan.Event
		r.event(o)
	case clientStatusWrite:
		o.Kind = plan.ClientStatus
		o.Status = r.status()
	case desiredStatusWrite:
		o.Kind = plan.DesiredStatus
		o.Status = r.status()
	case deleteWrite:
		o.Kind = plan.Delete
	default:
		r.fail(at, "a kind of write")
	}
}

func (r *reader) upsert(o *plan.Op) {
	if n := r.number("the number of a job, in the order of first use", min(r.used+1, len(r.jobs))); n > 0 {
		o.Job, r.used = r.jobs[n-1], max(n, r.used)
	}
	at := r.off
	switch r.byte("whether there is a next allocation") {
	case 0:
	case 1:
		o.Next = plan.OptionalID{ID: r.id(), Set: true}
	default:
		r.fail(at, "0 or 1, whether there is a next allocation")
	}
	r.scheduler(o)
	if r.client(o); r.err == nil {
		o.Report = plan.Report(r.part.ClientStatus)
	}
}

func (r *reader) scheduler(o *plan.Op) {
	a, body := &r.part, r.text("a scheduler's part")
	if r.err != nil {
		return
	}
	err := codec.CheckScheduler(body, a)
	if err == nil {
		o.Previous, err = plan.ParseOptional(a.PreviousAllocation)
		if err != nil || o.Previous.String() != a.PreviousAllocation {
			err = fmt.Errorf("%w: scheduler's part: PreviousAllocation %q: want an ID in lower case", schema.ErrMalformed, a.PreviousAllocation)
		}
	}
	if err != nil {
		r.malformedPart(r.off-len(body), err)
		return
	}
	o.Empty, o.Sched = plan.EmptyFields(a), plan.SchedulerPart(body, a.DesiredStatus)
}

func (r *reader) client(o *plan.Op) {
	body := r.text("a client's part")
	if r.err != nil {
		return
	}
	if err := codec.CheckClient(body, &r.part); err != nil {
		r.malformedPart(r.off-len(body), err)
		return
	}
	o.Client = plan.ClientPart(body, r.part.ClientStatus)
}

func (r *reader) status() *plan.Status {
	s := &plan.Status{Status: r.text("a status")}
	s.Description = r.text("a description")
	return s
}

var errNoEvent = errors.New("want one event of one task, and no more")

func (r *reader) event(o *plan.Op) {
	body := r.text("a client's part with an event")
	if r.err != nil {
		return
	}
	err := codec.CheckClient(body, &r.part)
	if err == nil {
		if o.Event = onlyEvent(&r.part); o.Event == nil {
			err = fmt.Errorf("%w: %w", schema.ErrMalformed, errNoEvent)
		}
	}
	if err != nil {
		r.malformedPart(r.off-len(body), err)
	}
}

// onlyEvent is the reverse of appendEvent. It returns nil if the client's part of a has anything else.
func onlyEvent(a *schema.Allocation) (te *plan.TaskEvent) {
	if a.ClientStatus != "" || a.ClientDescription != "" || a.ClientExtra != nil || len(a.TaskStates) != 1 {
		return nil
	}
	for task, ts := range a.TaskStates {
		if ts == nil || ts.Events.Len() != 1 {
			return nil
		}
		own := *ts
		if own.State, own.Events = "", (schema.EventRing{}); !isZero(&own) || ts.Events.Dropped() != 0 {
			return nil
		}
		for ev := range ts.Events.All() {
			te = &plan.TaskEvent{Task: task, State: ts.State, Event: ev}
		}
	}
	return te
}

// isZero reports whether the state of a task has no field set, its State and Events aside.
func isZero(ts *schema.TaskState) bool {
	return !ts.Failed && ts.Restarts == 0 && ts.LastRestart == 0 && ts.StartedAt == 0 && ts.FinishedAt == 0 && ts.Extra == nil
}

// faults reads a list of faults.
func (r *reader) faults(want string) []error {
	n := r.count(want, minFault)
	if n == 0 {
		return nil
	}
	all, errs := make([]fault, n), make([]error, n)
	for i := range all {
		at := r.off
		if all[i].kind = r.byte("a kind of fault"); all[i].kind > invalidFault|invalidIDFault {
			r.fail(at, "a kind of fault")
		}
		all[i].text = strings.Clone(r.text("a fault"))
		errs[i] = &all[i]
	}
	return errs
}

// A fault is the error of a write or a condition that was refused when it was added.
type fault struct {
	text string
	kind byte
}

// Error returns the message of the original error.
func (f *fault) Error() string { return f.text }

// Is reports whether the original error was ErrInvalid or ErrInvalidID.
func (f *fault) Is(target error) bool {
	return target == schema.ErrInvalid && f.kind&invalidFault != 0 || target == schema.ErrInvalidID && f.kind&invalidIDFault != 0
}
