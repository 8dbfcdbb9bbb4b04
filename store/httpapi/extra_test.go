package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// TestKeysOfLaterVersionsAreServed reads an allocation of a later version from the endpoint. Both
// owners' extra keys are in the answer.
func TestKeysOfLaterVersionsAreServed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../testdata/allocation-later.json")
	require.NoError(t, err)
	want, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	s := storetest.Open(t)
	_, err = s.Upsert(t.Context(), want)
	require.NoError(t, err)
	for _, messages := range []bool{false, true} {
		server := httptest.NewServer(httpapi.New(s, &httpapi.Options{DisplayMessages: messages}))
		defer server.Close()
		answer, err := http.Get(server.URL + "/v1/allocation/" + want.ID)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		got, err := schema.DecodeJSON(body)
		require.NoError(t, err)
		want.CreateIndex, want.ModifyIndex, want.AllocModifyIndex = got.CreateIndex, got.ModifyIndex, got.AllocModifyIndex
		require.Equal(t, want, got)

		var keys map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &keys))
		require.JSONEq(t, `{"InterfaceName":"eth0","Address":"172.26.64.14","DNS":null}`, string(keys["NetworkStatus"]))
		require.Equal(t, "1538521215000000000", string(keys["ModifyTime"]))
	}
}
