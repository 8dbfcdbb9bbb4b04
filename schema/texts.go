package schema

import (
	"strings"
	"unsafe"
)

// texts keeps the strings of what a reader decodes from memory that does not last.
// Those that are the allocation's own are noted while it decodes, and in the end
// copied, all into one piece.
type texts struct {
	shared *Shared    // nil: strings are to alias what is read, and job is nil too
	job    *Job       // nil if it is not known
	group  *TaskGroup // of the job; nil if it is not known

	score string // the last name of a score, whose prefix is usually the node's ID

	own  [12]ownText // the first n are noted; the documented allocation has fewer than 12
	n    int
	size int // of all that is noted

	idAt *string // where the text of id goes, before the others; nil if it does not
	id   ID
}

// ownText is a string, and where its copy is to go.
type ownText struct {
	at   *string
	text string
}

// addID notes the allocation's ID.
func (t *texts) addID(at *string, id ID) {
	t.idAt, t.id = at, id
	t.size += idText
}

// add notes a string of the allocation's own.
func (t *texts) add(at *string, text string) {
	if text == "" {
		return
	}
	if t.n == len(t.own) {
		t.settle()
	}
	t.own[t.n] = ownText{at, text}
	t.n++
	t.size += len(text)
}

// settle copies what was noted.
func (t *texts) settle() {
	if t.size == 0 {
		return
	}
	buf := make([]byte, 0, t.size)
	all := unsafe.String(unsafe.SliceData(buf), t.size) // nobody else sees it before it is filled
	if t.idAt != nil {
		text := t.id.text()
		buf = append(buf, text[:]...)
		*t.idAt = all[:idText]
		t.idAt = nil
	}
	for i := range t.own[:t.n] {
		from := len(buf)
		buf = append(buf, t.own[i].text...)
		*t.own[i].at = all[from:len(buf)]
	}
	t.n, t.size = 0, 0
}

// enterGroup notes which of the job's groups the allocation is of.
func (t *texts) enterGroup(name string) {
	if t.job == nil {
		return
	}
	for i := range t.job.TaskGroups {
		if g := &t.job.TaskGroups[i]; g.Name == name {
			t.group = g
			return
		}
	}
}

// of returns a string that other allocations may have too.
func (t *texts) of(text string) string {
	if t.shared == nil {
		return text
	}
	return t.shared.of(text)
}

// wordOf returns the constant that is equal to text, if it is one of those that a
// status or a state usually is.
func wordOf(text string) (word string, ok bool) {
	switch text {
	case DesiredStatusRun:
		return DesiredStatusRun, true
	case DesiredStatusStop:
		return DesiredStatusStop, true
	case DesiredStatusEvict:
		return DesiredStatusEvict, true
	case ClientStatusPending: // TaskStatePending
		return ClientStatusPending, true
	case ClientStatusRunning: // TaskStateRunning
		return ClientStatusRunning, true
	case ClientStatusComplete:
		return ClientStatusComplete, true
	case ClientStatusFailed:
		return ClientStatusFailed, true
	case ClientStatusLost:
		return ClientStatusLost, true
	case ClientStatusUnknown:
		return ClientStatusUnknown, true
	case TaskStateDead:
		return TaskStateDead, true
	}
	return "", false
}

// keep sets at to a string that was read: one that is the allocation's own.
func (r *reader) keep(at *string, text string) {
	if r.texts.shared == nil {
		*at = text
		return
	}
	r.texts.add(at, text)
}

// text reads a string that is the allocation's own.
func (r *reader) text(at *string) { r.keep(at, r.str()) }

// word reads a status, or a state.
func (r *reader) word(at *string) {
	text := r.str()
	if r.texts.shared != nil {
		if word, ok := wordOf(text); ok {
			*at = word
			return
		}
	}
	r.keep(at, text)
}

// shared reads a string that other allocations may have too.
func (r *reader) shared() string { return r.texts.of(r.str()) }

func (r *reader) scoreName() string {
	r.texts.score = r.shared()
	return r.texts.score
}

// nodeID keeps the node's ID, which was read before: a score that is kept begins with
// it, "<node>.<scorer>" by convention.
func (r *reader) nodeID(text string) string {
	if strings.HasPrefix(r.texts.score, text) {
		return r.texts.score[:len(text)]
	}
	return r.texts.of(text)
}

func (r *reader) jobID() string {
	text := r.str()
	if job := r.texts.job; job != nil && job.ID == text {
		return job.ID
	}
	return r.texts.of(text)
}

func (r *reader) taskGroup() string {
	text := r.str()
	r.texts.enterGroup(text)
	if r.texts.group != nil {
		return r.texts.group.Name
	}
	return r.texts.of(text)
}

func (r *reader) taskName() string {
	text := r.str()
	if r.texts.group != nil {
		for i := range r.texts.group.Tasks {
			if own := r.texts.group.Tasks[i].Name; own == text {
				return own
			}
		}
	}
	return r.texts.of(text)
}
