package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportTriesAgain has a node refuse writes for reasons that pass, lose the answer to one, and then take it. A reason that
// stays ends the import at once.
func TestImportTriesAgain(t *testing.T) {
	t.Parallel()
	answers := []struct {
		status int
		text   string
	}{
		{http.StatusServiceUnavailable, `{"Kind":"not_leader","Error":"an election"}`},
		{http.StatusGatewayTimeout, `{"Kind":"unknown","Error":"the leader was lost"}`},
		{http.StatusServiceUnavailable, `{"Kind":"unavailable","Error":"closed"}`},
		{0, ""},
		{http.StatusOK, `{"Index":7}`},
		{http.StatusForbidden, "a proxy says no\n"},
	}
	asked := 0
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := answers[asked]
		asked++
		if a.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.text))
	}))
	t.Cleanup(node.Close)
	const line = `{"ID":"203266e5-e0d6-9486-5e05-397ed2b184af","Job":{"ID":"a"}}`
	code, _, said := runText(t, line, "--addr", node.URL, "import")
	require.Zero(t, code, said)
	require.Contains(t, said, "1 allocation: 1 written; the store is at index 7")
	require.Equal(t, 5, asked)
	code, _, said = runText(t, line, "--addr", node.URL, "import")
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "a proxy says no")
	require.Equal(t, 6, asked)
}

// TestImportToNodeInterrupted ends an import that tries again.
func TestImportToNodeInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		interrupt()
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"Kind":"not_leader","Error":"an election"}`))
	}))
	t.Cleanup(node.Close)
	var said strings.Builder
	a := &app{in: strings.NewReader(`{"ID":"203266e5-e0d6-9486-5e05-397ed2b184af","Job":{"ID":"a"}}`), out: &said, err: &said}
	require.Equal(t, exitInterrupted, run(ctx, a, []string{"--addr", node.URL, "import"}))
}
