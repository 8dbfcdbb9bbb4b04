package schema

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecodeJSON decodes any text. An error must be a JSONError with an offset within the text. A
// decoded allocation must survive its own JSON and its MessagePack.
func FuzzDecodeJSON(f *testing.F) {
	f.Add(fixture(f, "allocation.json"))
	f.Add(fixture(f, "allocation-as-printed.json"))
	f.Add(fixture(f, "allocation-later.json"))
	f.Add([]byte(`{"Own":{"a":"\ud800\u0041","a":1.50e400},"TaskStates":{"r":{"Events":[{"DisplayMessage":"x"},{"displaymessage":5}]}}}`))
	f.Add([]byte(`{"TaskStates":{"r":{"StartedAt":1.5e3,"LastRestart":"2015-11-18T00:20:38Z"},"":null}}`))
	f.Add([]byte(`{"Metrics":{"Scores":{"n":-0.0}},"Job":{"Priority":1e1000000000}}`))
	f.Add([]byte(inConfig(`[{},[],18446744073709551615,1e30,-0.0,"\ud800"]`)))
	f.Add([]byte(inConfig(deepest(maxDepth))))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := DecodeJSON(text)
		var at *JSONError
		if errors.As(err, &at) {
			require.ErrorIs(t, err, ErrMalformed)
			require.GreaterOrEqual(t, at.Offset, int64(0))
			require.LessOrEqual(t, at.Offset, int64(len(text)), "an offset is in the original text")
			return
		}
		require.NoError(t, err, "every error is a JSONError")
		again, err := json.Marshal(a)
		require.NoError(t, err, "a decoded allocation can be encoded")
		back, err := DecodeJSON(again)
		require.NoError(t, err)
		require.Equal(t, a, back, "JSON must give the same allocation")
		require.Equal(t, a, a.Clone(), "a clone is equal")
		require.Equal(t, appendAllocation(nil, a), appendAllocation(nil, back), "equal content is equal bytes")
		if err := a.Validate(); err == nil {
			require.Equal(t, a, normal(t, a), "MessagePack must keep all that JSON shows")
		} else {
			require.NotContains(t, err.Error(), "UTF-8", "JSON is refused before Validate sees such text")
		}
	})
}
