package schema

import (
	"strings"
	"unsafe"
)

// ownStrings copies strings out of memory that does not last, which a reader decodes from.
// Strings that belong to one allocation are noted while it is decoded, and in the end copied
// together: they cost one block of memory.
type ownStrings struct {
	codec *Codec     // interns; nil if the strings may share the memory that is read
	job   *Job       // nil if it is not known
	group *TaskGroup // of the job; nil if it is not known

	score string // the last name of a score, which usually begins with the node's ID

	noted [12]notedString // the first n are in use; the documented allocation needs fewer than 12
	n     int
	size  int // bytes of all noted strings

	idAt *string // receives the text of id, ahead of the noted strings; nil if there is no ID
	id   ID
}

// A notedString is a string, and the place of its copy.
type notedString struct {
	at   *string
	text string
}

// noteID notes the allocation's ID.
func (s *ownStrings) noteID(at *string, id ID) {
	s.idAt, s.id = at, id
	s.size += idText
}

// note notes a string, whose copy is to be stored at at.
func (s *ownStrings) note(at *string, text string) {
	if text == "" {
		return
	}
	if s.n == len(s.noted) {
		s.copy()
	}
	s.noted[s.n] = notedString{at, text}
	s.n++
	s.size += len(text)
}

// copy copies the noted strings.
func (s *ownStrings) copy() {
	if s.size == 0 {
		return
	}
	buf := make([]byte, 0, s.size)
	all := unsafe.String(unsafe.SliceData(buf), s.size) // it is filled before anything reads it
	if s.idAt != nil {
		text := s.id.text()
		buf = append(buf, text[:]...)
		*s.idAt = all[:idText]
		s.idAt = nil
	}
	for i := range s.noted[:s.n] {
		from := len(buf)
		buf = append(buf, s.noted[i].text...)
		*s.noted[i].at = all[from:len(buf)]
	}
	s.n, s.size = 0, 0
}

// findGroup finds the allocation's task group in its job.
func (s *ownStrings) findGroup(name string) {
	if s.job == nil {
		return
	}
	for i := range s.job.TaskGroups {
		if g := &s.job.TaskGroups[i]; g.Name == name {
			s.group = g
			return
		}
	}
}

// intern returns a string that many allocations have in common.
func (s *ownStrings) intern(text string) string {
	if s.codec == nil {
		return text
	}
	return s.codec.intern(text)
}

// knownStatus returns the constant that is equal to text, if text is one of the documented
// statuses and states.
func knownStatus(text string) (status string, ok bool) {
	switch text {
	case DesiredStatusRun:
		return DesiredStatusRun, true
	case DesiredStatusStop:
		return DesiredStatusStop, true
	case DesiredStatusEvict:
		return DesiredStatusEvict, true
	case ClientStatusPending: // and TaskStatePending
		return ClientStatusPending, true
	case ClientStatusRunning: // and TaskStateRunning
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

// endCopied is end for a reader whose strings are copied. It copies them if all was well.
func (r *reader) endCopied() error {
	err := r.end()
	if err == nil {
		r.strings.copy()
	}
	return err
}

// keep stores text at at: as it is, or as a copy that endCopied makes.
func (r *reader) keep(at *string, text string) {
	if r.strings.codec == nil {
		*at = text
		return
	}
	r.strings.note(at, text)
}

// text reads a string that belongs to one allocation.
func (r *reader) text(at *string) { r.keep(at, r.str()) }

// status reads a status or a state.
func (r *reader) status(at *string) {
	text := r.str()
	if r.strings.codec != nil {
		if status, ok := knownStatus(text); ok {
			*at = status
			return
		}
	}
	r.keep(at, text)
}

// interned reads a string that many allocations have in common.
func (r *reader) interned() string { return r.strings.intern(r.str()) }

func (r *reader) scoreName() string {
	r.strings.score = r.interned()
	return r.strings.score
}

// nodeID returns the node's ID, which was read as text. By convention the name of a score is
// "<node>.<scorer>", so the ID can be a part of a name that is kept anyway.
func (r *reader) nodeID(text string) string {
	if strings.HasPrefix(r.strings.score, text) {
		return r.strings.score[:len(text)]
	}
	return r.strings.intern(text)
}

// jobID, taskGroup and taskName take equal strings from the job.

func (r *reader) jobID() string {
	text := r.str()
	if job := r.strings.job; job != nil && job.ID == text {
		return job.ID
	}
	return r.strings.intern(text)
}

func (r *reader) taskGroup() string {
	text := r.str()
	r.strings.findGroup(text)
	if r.strings.group != nil {
		return r.strings.group.Name
	}
	return r.strings.intern(text)
}

func (r *reader) taskName() string {
	text := r.str()
	if r.strings.group != nil {
		for i := range r.strings.group.Tasks {
			if name := r.strings.group.Tasks[i].Name; name == text {
				return name
			}
		}
	}
	return r.strings.intern(text)
}
