package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// UnixNano is a moment in nanoseconds since 1970 UTC; 0 is never. In JSON it is
// the RFC 3339 text that time.Time has there, which is how Nomad's own client
// reads these fields; on input an integer of nanoseconds will do as well.
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

// UnmarshalJSON takes RFC 3339 text, an integer of nanoseconds, or null for never.
// A moment before 1678 or after 2261 does not fit and is an error.
func (n *UnixNano) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = 0
		return nil
	}
	if len(data) > 0 && data[0] != '"' {
		v, err := strconv.ParseInt(string(data), 10, 64)
		*n = UnixNano(v)
		return err
	}
	var t time.Time
	if err := json.Unmarshal(data, &t); err != nil {
		return err
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
