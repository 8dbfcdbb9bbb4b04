package schema

import "strings"

// ownStrings copies strings out of memory that does not last, which a reader decodes from.
type ownStrings struct {
	codec *Codec     // interns; nil if the strings may share the memory that is read
	job   *Job       // nil if it is not known
	group *TaskGroup // of the job; nil if it is not known

	score string // the last name of a score, which usually begins with the node's ID
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

// keep returns text: as it is, or a copy.
func (r *reader) keep(text string) string {
	if r.strings.codec == nil {
		return text
	}
	return strings.Clone(text)
}

// A textKind tells where the memory of a decoded string is.
type textKind uint8

const (
	ownText      textKind = iota // the allocation's own
	internedText                 // many allocations have it in common
	aliasText                    // left in the memory that is read
	groupText                    // the job has an equal string
)

// textOf reads a string.
func (r *reader) textOf(kind textKind) string {
	switch kind {
	case internedText:
		return r.interned()
	case aliasText:
		return r.str()
	case groupText:
		return r.taskGroup()
	}
	return r.text()
}

// text reads a string that belongs to one allocation.
func (r *reader) text() string { return r.keep(r.str()) }

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

// jobID, taskGroup and taskName return equal strings of the job.

func (r *reader) jobID(text string) string {
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
