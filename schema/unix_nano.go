package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// UnixNano is a moment in nanoseconds since 1970 UTC; 0 is never. In JSON it is RFC 3339 text as
// of time.Time, which Nomad's own client reads. An integer of nanoseconds is valid input too.
type UnixNano int64

// Time returns the moment in UTC, or the zero Time for never.
func (n UnixNano) Time() time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

// IsZero reports whether n is never.
func (n UnixNano) IsZero() bool { return n == 0 }

// MarshalJSON returns the moment as RFC 3339 with nanoseconds, in quotes.
func (n UnixNano) MarshalJSON() ([]byte, error) { return n.Time().MarshalJSON() }

var errNoTime = errors.New("want RFC 3339 or an integer of nanoseconds since 1970")

// UnmarshalJSON reads RFC 3339 text, an integer of nanoseconds, or null for never. A moment
// before 1678 or after 2261 does not fit and is an error.
func (n *UnixNano) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return n.unmarshalText(data)
	}
	var v int64 // null leaves it 0
	if err := json.Unmarshal([]byte(integerText(string(data))), &v); err != nil {
		return fmt.Errorf("%w: %s", errNoTime, abbreviated(string(data)))
	}
	*n = UnixNano(v)
	return nil
}

// unmarshalText reads a JSON string of RFC 3339 text, in which any character may be escaped.
func (n *UnixNano) unmarshalText(data []byte) error {
	var text string
	var t time.Time
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("%w: %q", errNoTime, abbreviated(text))
	}
	if t.IsZero() {
		*n = 0
		return nil
	}
	v := t.UnixNano()
	if !time.Unix(0, v).Equal(t) {
		return fmt.Errorf("time %v is out of the range of nanoseconds since 1970", t)
	}
	*n = UnixNano(v)
	return nil
}
