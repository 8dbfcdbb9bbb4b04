package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// JSONError says where in a JSON text something is wrong. It is an ErrMalformed.
type JSONError struct {
	Offset int64  // where it ends: so many bytes of the text had been read
	Field  string // the path of the value; empty if the text itself is no JSON
	Err    error
}

// Error names the offset and the field.
func (e *JSONError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%v JSON at offset %d: %v", ErrMalformed, e.Offset, e.Err)
	}
	return fmt.Sprintf("%v JSON at offset %d: %s: %v", ErrMalformed, e.Offset, e.Field, e.Err)
}

// Is reports that the error is an ErrMalformed.
func (e *JSONError) Is(target error) bool { return target == ErrMalformed }

// Unwrap returns what is wrong.
func (e *JSONError) Unwrap() error { return e.Err }

// syntaxError returns the error of a text that is no JSON.
func syntaxError(text []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(text, &raw)
	if at := (*json.SyntaxError)(nil); errors.As(err, &at) {
		return &JSONError{Offset: at.Offset, Err: err}
	}
	return &JSONError{Offset: int64(len(text)), Err: fmt.Errorf("unreadable: %w", err)}
}

// valueError returns the error of a well-formed text whose decoding gave err.
// Neither that nor any other error of encoding/json tells the whole path, and an
// error of a type that decodes itself not even the offset; so the text is read
// once more to find out.
func valueError(text []byte, shifts []shift, err error) error {
	wrong := misfit
	if mismatch := (*json.UnmarshalTypeError)(nil); errors.As(err, &mismatch) {
		end := original(shifts, mismatch.Offset)
		found := fmt.Errorf("found %s, want %s", glance(mismatch.Value), wanted(mismatch.Type.String()))
		wrong = func(f *finder, _ json.Token) error {
			if f.dec.InputOffset() < end {
				return nil
			}
			return found
		}
	}
	f := finder{dec: json.NewDecoder(bytes.NewReader(text)), wrong: wrong}
	f.dec.UseNumber()
	if found := f.find(); found != nil {
		return &JSONError{Offset: f.dec.InputOffset(), Field: f.field(), Err: found}
	}
	return &JSONError{Offset: int64(len(text)), Err: err}
}

// wanted says in JSON's terms what a Go type takes.
func wanted(goType string) string {
	switch goType {
	case "int", "int64", "time.Duration":
		return "an integer of 64 bits"
	case "uint64":
		return "an integer of 64 bits that is not negative"
	case "float64":
		return "a number of a float64's range"
	case "string", "bool":
		return "a " + goType
	}
	if strings.HasPrefix(goType, "[]") {
		return "an array"
	}
	return "an object"
}

// glance returns no more of s than a message should quote.
func glance(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// misfit returns what is wrong with a value that encoding/json takes for any
// type it is decoded to: a Config's that cannot be kept, or a time that is none.
func misfit(f *finder, tok json.Token) error {
	switch {
	case f.at("Job", "TaskGroups", "", "Tasks", "", "Config"):
		return configMisfit(tok, len(f.path)-5)
	case len(f.path) == 3 && (f.at("TaskStates", "", "LastRestart") || f.at("TaskStates", "", "StartedAt") || f.at("TaskStates", "", "FinishedAt")):
		return timeMisfit(tok)
	}
	return nil
}

func configMisfit(tok json.Token, level int) error {
	switch tok := tok.(type) {
	case json.Delim:
		if level > maxDepth {
			return errTooDeep
		}
	case json.Number:
		if _, ok := canonicalNumber(string(tok)); !ok {
			return fmt.Errorf("number %s is out of range", glance(string(tok)))
		}
	}
	return nil
}

func timeMisfit(tok json.Token) error {
	if _, ok := tok.(json.Delim); ok {
		return errNoTime
	}
	text, err := json.Marshal(tok)
	if err != nil {
		return err
	}
	return new(UnixNano).UnmarshalJSON(text)
}

// A finder reads the values of a well-formed JSON text one by one up to the one
// that is wrong.
type finder struct {
	dec   *json.Decoder
	path  []pathStep // from the outermost value to the one that is being read
	wrong func(*finder, json.Token) error
}

// pathStep is a key, or an index where the key is empty and the index is not -1.
type pathStep struct {
	key   string
	index int
}

// find reads the next value, and returns what is wrong with it or with a value
// inside it, at which the finder then stands.
func (f *finder) find() error {
	tok, err := f.dec.Token()
	if err == nil {
		err = f.wrong(f, tok)
	}
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	for i := 0; f.dec.More(); i++ {
		step := pathStep{index: i}
		if open == '{' {
			key, _ := f.dec.Token()
			step.key, _ = key.(string)
			step.index = -1
		}
		f.path = append(f.path, step)
		if err := f.find(); err != nil {
			return err
		}
		f.path = f.path[:len(f.path)-1]
	}
	_, err = f.dec.Token()
	return err
}

// at reports whether the path starts with these keys, "" being any key or index.
// Their case is as little looked at as it is by encoding/json.
func (f *finder) at(keys ...string) bool {
	if len(f.path) < len(keys) {
		return false
	}
	for i, key := range keys {
		if key != "" && !strings.EqualFold(f.path[i].key, key) {
			return false
		}
	}
	return true
}

// mapFields are the fields whose keys are not names of fields.
var mapFields = map[string]bool{
	"TaskResources": true, "TaskStates": true, "Scores": true, "Meta": true, "Env": true, "Config": true, "Details": true,
	"ClassFiltered": true, "ConstraintFiltered": true, "ClassExhausted": true, "DimensionExhausted": true,
}

// field returns the path as Validate writes paths, such as
// Job.TaskGroups[0].Tasks[1].Config["image"].
func (f *finder) field() string {
	var s strings.Builder
	inMap, freeForm := false, false
	for _, step := range f.path {
		switch {
		case step.index >= 0:
			fmt.Fprintf(&s, "[%d]", step.index)
			continue
		case inMap || freeForm:
			fmt.Fprintf(&s, "[%q]", step.key)
			inMap = false
			continue
		case s.Len() > 0:
			s.WriteByte('.')
		}
		s.WriteString(step.key)
		inMap, freeForm = mapFields[step.key], step.key == "Config"
	}
	return s.String()
}
