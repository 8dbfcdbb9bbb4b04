package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"allocstore/index"
	"allocstore/store"
)

// An outcome is the outcome of an entry that was applied at an index.
type outcome struct {
	index  uint64
	result store.Result
}

// Kinds of answers of the leader. The first byte of an answer is its kind.
const (
	answerApplied   = iota + 1 // index, Applied
	answerRefused              // index, error
	answerNotLeader            // text; nothing has happened
	answerUnknown              // text
	answerInvalid              // error; nothing has happened
	answerIndex                // index of a read, or 0
)

// sentinels are the errors that keep their identity on the way from the leader, by their place. New ones are added at the
// end.
var sentinels = []error{
	store.ErrConflict, store.ErrInvalid, store.ErrInvalidID, store.ErrNoJob, store.ErrTooLarge, store.ErrNotFound,
	index.ErrExhausted, store.ErrFormatVersion, store.ErrCorrupt, store.ErrNoSpace, store.ErrFailed, ErrHalted,
}

// A remoteError is an error from the leader. Its text and its sentinels are those of the original.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.is }

// appendOutcome appends the answer that has the outcome of an entry.
func appendOutcome(b []byte, o *outcome) []byte {
	if o.result.Err != nil {
		b = binary.AppendUvarint(append(b, answerRefused), o.index)
		return appendError(b, o.result.Err)
	}
	b = binary.AppendUvarint(append(b, answerApplied), o.index)
	b = binary.AppendUvarint(b, o.result.Index)
	b = binary.AppendUvarint(b, uint64(o.result.Unchanged))
	b = binary.AppendUvarint(b, uint64(len(o.result.Unknown)))
	for _, id := range o.result.Unknown {
		b = appendText(b, id)
	}
	return b
}

// appendFailure appends the answer to a request that has no outcome.
func appendFailure(b []byte, err error) []byte {
	switch {
	case errors.Is(err, ErrNotLeader):
		return append(append(b, answerNotLeader), err.Error()...)
	case errors.Is(err, ErrOutcomeUnknown):
		return append(append(b, answerUnknown), err.Error()...)
	}
	return appendError(append(b, answerInvalid), err)
}

// appendError appends an error: the set of its sentinels, its text, and the fields of a conflict.
func appendError(b []byte, err error) []byte {
	var set uint64
	for i, s := range sentinels {
		if errors.Is(err, s) {
			set |= 1 << i
		}
	}
	b = appendText(binary.AppendUvarint(b, set), err.Error())
	conflict, ok := errors.AsType[*store.ConflictError](err)
	if !ok {
		return append(b, 0)
	}
	list := ""
	if conflict.ID == "" {
		list = conflict.List.String()
		if sel, err := parseSelector(list); err != nil || sel != conflict.List {
			return append(b, 0)
		}
	}
	b = appendText(appendText(append(b, 1), conflict.ID), list)
	return binary.AppendUvarint(binary.AppendUvarint(b, conflict.Expected), conflict.Actual)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// errAnswer is the error of every answer that cannot be decoded.
var errAnswer = errors.New("answer of the leader: wrong bytes")

// An answerReader reads the fields of an answer. After the end or wrong bytes bad is set, and every field is empty.
type answerReader struct {
	b   []byte
	bad bool
}

func (r *answerReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *answerReader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *answerReader) error() error {
	set, e := r.number(), &remoteError{text: r.text()}
	if r.number() == 1 {
		c := &store.ConflictError{ID: r.text()}
		if list := r.text(); c.ID == "" {
			sel, err := parseSelector(list)
			r.bad = r.bad || err != nil
			c.List = sel
		}
		c.Expected, c.Actual = r.number(), r.number()
		if c.Error() == e.text {
			return c
		}
		e.is = append(e.is, c)
	}
	for i, s := range sentinels {
		if set&(1<<i) != 0 {
			e.is = append(e.is, s)
		}
	}
	return e
}

// decodeAnswer returns the outcome of an entry that was forwarded. Its error is that of the request, for
// which there is no outcome; ErrOutcomeUnknown if the answer cannot be decoded.
func decodeAnswer(b []byte) (o outcome, err error) {
	kind, r := answerKind(b)
	switch kind {
	case answerApplied:
		o.index = r.number()
		o.result.Index = r.number()
		o.result.Unchanged = int(r.number())
		for count := r.number(); count > 0 && !r.bad; count-- {
			o.result.Unknown = append(o.result.Unknown, r.text())
		}
	case answerRefused:
		o.index = r.number()
		o.result.Err = r.error()
	default:
		err = r.failure(kind)
	}
	if err == nil && (r.bad || len(r.b) > 0) {
		return outcome{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, errAnswer)
	}
	return o, err
}

// decodeIndex returns the index of an answer.
func decodeIndex(b []byte) (uint64, error) {
	kind, r := answerKind(b)
	if kind != answerIndex {
		return 0, r.failure(kind)
	}
	if at := r.number(); !r.bad && len(r.b) == 0 {
		return at, nil
	}
	return 0, errAnswer
}

func answerKind(b []byte) (byte, *answerReader) {
	if len(b) == 0 {
		return 0, &answerReader{}
	}
	return b[0], &answerReader{b: b[1:]}
}

// failure returns the error of an answer without an outcome.
func (r *answerReader) failure(kind byte) error {
	text := string(r.b)
	switch kind {
	case answerNotLeader:
		return &remoteError{"leader: " + text, []error{ErrNotLeader}}
	case answerUnknown:
		return &remoteError{"leader: " + text, []error{ErrOutcomeUnknown}}
	case answerInvalid:
		if err := r.error(); !r.bad && len(r.b) == 0 {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, errAnswer)
}

// selectorKinds begin the texts of Selector.String, apart from that of everything.
var selectorKinds = []struct {
	prefix string
	of     func(string) store.Selector
}{{"node ", store.Node}, {"job ", store.Job}, {"evaluation ", store.Eval}, {"prefix ", store.Prefix}}

// parseSelector is the inverse of Selector.String, which quotes names: its texts are unambiguous. appendError verifies
// each text before it sends it.
func parseSelector(s string) (sel store.Selector, err error) {
	rest, ok := strings.CutPrefix(s, "everything")
	sel = store.Everything()
	for _, kind := range selectorKinds {
		after, found := strings.CutPrefix(s, kind.prefix)
		if !found {
			continue
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return sel, errAnswer
		}
		name, err := strconv.Unquote(quoted)
		if err != nil {
			return sel, errAnswer
		}
		sel, rest, ok = kind.of(name), after[len(quoted):], true
	}
	if cut, found := strings.CutPrefix(rest, ", non-terminal"); found {
		sel, rest = sel.NonTerminal(), cut
	}
	if cut, found := strings.CutPrefix(rest, ", placements"); found {
		sel, rest = sel.Placements(), cut
	}
	if !ok || rest != "" {
		return sel, errAnswer
	}
	return sel, nil
}

// appendIndex returns the answer that has an index.
func appendIndex(at uint64) []byte { return binary.AppendUvarint([]byte{answerIndex}, at) }
