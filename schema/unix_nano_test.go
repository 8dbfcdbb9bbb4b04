package schema

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnixNanoJSON(t *testing.T) {
	t.Parallel()
	for _, n := range []UnixNano{0, 1, -1, 1447806038427841000, math.MaxInt64, math.MinInt64} {
		text, err := json.Marshal(n)
		require.NoError(t, err)
		var back UnixNano
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, n, back, "%s must be the same moment", text)
		var std time.Time
		require.NoError(t, json.Unmarshal(text, &std), "time.Time must read it")
		require.True(t, std.Equal(n.Time()), "time.Time must read the same moment from %s", text)
		require.Equal(t, n == 0, n.IsZero())
		require.Equal(t, n.IsZero(), n.Time().IsZero(), "never is the zero Time")
	}
}

func TestUnixNanoTakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]UnixNano{
		"null": 0, "0": 0, `"0001-01-01T00:00:00Z"`: 0,
		"1447806038427841000": 1447806038427841000, "1.447806038427841e+18": 1447806038427841000,
		`"2015-11-18T00:20:38.427841Z"`:           1447806038427841000,
		`"2015-11-18T02:20:38.427841000+02:00"`:   1447806038427841000,
		`"2015-11-18T02:20:38.427841\u002b02:00"`: 1447806038427841000,
	} {
		n := UnixNano(7)
		require.NoError(t, json.Unmarshal([]byte(text), &n), "%s is a moment", text)
		require.Equal(t, want, n, "%s", text)
	}
	for _, text := range []string{`""`, `"now"`, `"2015-11-18"`, "1.5", "9223372036854775808", "1e19", "true", "{}", "[]", `"1600-01-01T00:00:00Z"`, `"9999-01-01T00:00:00Z"`} {
		n := UnixNano(7)
		require.Error(t, json.Unmarshal([]byte(text), &n), "%s is no moment", text)
		require.Equal(t, UnixNano(7), n, "an error changes nothing")
	}
}
