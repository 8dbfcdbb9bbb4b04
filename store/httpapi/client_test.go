package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

// open opens a store that is checked at the end.
func open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), &store.Options{DetectMutation: true})
	require.NoError(t, err)
	t.Cleanup(func() { shut(t, s) })
	return s
}

// shut closes a store that has to be sound.
func shut(t testing.TB, s *store.Store) {
	t.Helper()
	for err := range s.Check(context.Background()) {
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
}

// A client reads from the endpoint as from a store.
type client struct{ base string }

func (c client) Get(id string) (*schema.Allocation, error) {
	a, _, err := c.get(context.Background(), id, nil)
	return a, err
}

// Wait leaves the outcome open, which the endpoint does not tell.
func (c client) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	q := url.Values{"index": {strconv.FormatUint(opts.MinQueryIndex, 10)}}
	if opts.MaxQueryTime > 0 {
		q.Set("wait", opts.MaxQueryTime.String())
	}
	a, index, err := c.get(ctx, id, q)
	if index > 0 {
		err = nil // absent, and said as of when
	}
	return store.WaitResult{Alloc: a, ID: strings.ToLower(id), Index: index}, err
}

func (c client) get(ctx context.Context, id string, q url.Values) (a *schema.Allocation, index uint64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/allocation/"+url.PathEscape(id)+"?"+q.Encode(), nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, err
	}
	if text := response.Header.Get("X-Nomad-Index"); text != "" {
		if index, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, 0, err
		}
	}
	switch response.StatusCode {
	case http.StatusOK:
		a, err = schema.DecodeJSON(body)
	case http.StatusNotFound:
		err = store.ErrNotFound
	case http.StatusBadRequest:
		err = fmt.Errorf("%w: %s", store.ErrInvalidID, body)
	default:
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return a, index, err
}

// TestFront is the conformance suite, over HTTP.
func TestFront(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, opts := range []*httpapi.Options{nil, {MaxCacheBytes: -1}, {DisplayMessages: true}} {
		server := httptest.NewServer(httpapi.New(s, opts))
		require.NoError(t, storetest.TestReader(t.Context(), s, client{server.URL}))
		server.CloseClientConnections() // the suite leaves waits behind
		server.Close()
	}
}
