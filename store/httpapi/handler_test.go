package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/storetest"
)

const documentedID = "203266e5-e0d6-9486-5e05-397ed2b184af"

// documented returns the documented allocation and its JSON.
func documented(t testing.TB) (*schema.Allocation, []byte) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/allocation.json")
	require.NoError(t, err)
	a, err := schema.DecodeJSON(text)
	require.NoError(t, err)
	return a, text
}

// place inserts the documented allocation, as its scheduler and its client report it.
func place(t testing.TB, s *store.Store) (index uint64) {
	t.Helper()
	a, _ := documented(t)
	_, err := s.Upsert(context.Background(), a)
	require.NoError(t, err)
	applied, err := s.UpdateFromClient(context.Background(), a)
	require.NoError(t, err)
	if applied.Unchanged > 0 {
		return s.LastIndex()
	}
	return applied.Index
}

// ask returns the handler's answer to a request.
func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestAnswers has every kind of answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	h := httpapi.New(s, &httpapi.Options{MaxRequestBytes: 1000})
	const at, absent = "/v1/allocation/" + documentedID, "/v1/allocation/203266e5-e0d6-9486-5e05-397ed2b18400"
	for _, c := range []struct {
		method, target string
		status         int
		says           string
	}{
		{"GET", at, 200, `"Name":"example.cache[0]"`},
		{"GET", "/v1/allocation/" + strings.ToUpper(documentedID), 200, `"ID":"203266e5`},
		{"HEAD", at, 200, ""},
		{"GET", at + "?index=0&wait=60s&stale&region=global", 200, `"ID"`},
		{"GET", at + "?index=1&wait=5m&stale=true&other=1", 200, `"ID"`},
		{"GET", at + "?pretty", 200, "{\n    \"ID\": \"203266e5"},
		{"GET", at + "?pretty=false", 200, "{\n    \"ID\""},
		{"GET", at + "?pretty=0", 200, `{"ID":"203266e5`},
		{"GET", at + "?stale=false&wait=-1s&region=", 200, `"ID"`},
		{"GET", at + "?stale=1", 200, `"ID"`},
		{"GET", at + "?stale=True&index=", 200, `"ID"`},
		{"GET", at + "?stale=F&index&wait", 200, `"ID"`},
		{"GET", at + "?index=1&stale=&wait=&region&other=", 200, `"ID"`},
		{"GET", at + "?pretty=&stale=t", 200, "{\n    \"ID\""},
		{"GET", absent, 404, "alloc not found"},
		{"GET", absent + "?index=0", 404, "alloc not found"},
		{"GET", at + "?index=99&wait=1ms", 200, `"ID"`},
		{"GET", absent + "?index=99&wait=1ms", 404, "alloc not found"},

		{"GET", "/v1/allocation/", 400, "no allocation ID"},
		{"GET", "/v1/allocation/x", 400, `"x"`},
		{"GET", at + "0", 400, "invalid allocation ID"},
		{"GET", at[:len(at)-1], 400, "invalid allocation ID"},
		{"GET", strings.Replace(at, "5-e", "5e", 1) + "?index=1", 400, "invalid allocation ID"},
		{"GET", at + "%00", 400, "ID"},
		{"GET", at + "?index=-1", 400, `index "-1"`},
		{"GET", at + "?index=1e3", 400, `index "1e3"`},
		{"GET", at + "?index=18446744073709551616", 400, "2^64-1"},
		{"GET", at + "?index=1&index=2", 400, "index is given 2 times"},
		{"GET", at + "?wait=x", 400, `wait "x"`},
		{"GET", at + "?wait=1ms&wait=", 400, "wait is given 2 times"},
		{"GET", at + "?wait=60", 400, `wait "60"`},
		{"GET", at + "?stale=maybe", 400, `stale "maybe"`},
		{"GET", at + "?stale=2", 400, `stale "2"`},
		{"GET", at + "?stale=yes", 400, "want true, false or nothing"},
		{"GET", at + "?region=mars", 400, "No path to region"},
		{"GET", at + "?a=%zz", 400, "%zz"},
		{"GET", at + "?a;b", 400, "semicolon"},

		{"GET", "/v1/allocations", 404, "no such path"},
		{"GET", "/v1/allocation", 404, "no such path"},
		{"GET", at + "/", 404, "no such path"},
		{"GET", at + "/stats", 404, "no such path"},
		{"GET", at + "%2f", 404, "no such path"},
		{"POST", at, 405, "POST"},
		{"DELETE", at, 405, "DELETE"},
		{"OPTIONS", at, 405, "OPTIONS"},
		{"GET", at + "?" + strings.Repeat("x", 1000), 431, "at most 1000"},
	} {
		w := ask(h, c.method, c.target)
		require.Equal(t, c.status, w.Code, "%s %s: %s", c.method, c.target, w.Body)
		require.Contains(t, w.Body.String(), c.says, "%s %s", c.method, c.target)
		if c.status == 405 {
			require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}
		if c.status != 200 && c.says != "alloc not found" {
			require.Empty(t, w.Header().Get("X-Nomad-Index"), "an index without a read: %s", c.target)
			continue
		}
		require.Regexp(t, "^[1-9][0-9]*$", w.Header().Get("X-Nomad-Index"), c.target)
		require.Equal(t, "true", w.Header().Get("X-Nomad-KnownLeader"))
		require.Equal(t, "0", w.Header().Get("X-Nomad-LastContact"))
		if strings.Contains(c.target, "pretty") && !strings.HasSuffix(c.target, "=0") {
			require.True(t, strings.HasSuffix(w.Body.String(), "}\n"))
		}
	}
	large := ask(h, "GET", at, "X-Large", strings.Repeat("x", 1000))
	require.Equal(t, 431, large.Code)
}

// TestBodies sends bodies of known and of unknown length. Only an empty one is accepted, which some
// clients send in chunks.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	h := httpapi.New(s, nil)
	for _, c := range []struct {
		length int64
		body   io.Reader
		status int
		says   string
	}{
		{0, strings.NewReader(""), 200, `"ID"`},
		{-1, strings.NewReader(""), 200, `"ID"`},
		{-1, strings.NewReader("x"), 400, "unexpected body of a GET request"},
		{1, strings.NewReader("x"), 400, "unexpected body of a GET request"},
		{1, strings.NewReader(""), 400, "unexpected body of a GET request"},
		{-1, iotest.ErrReader(os.ErrDeadlineExceeded), 400, "body of a GET request: i/o timeout"},
	} {
		r := httptest.NewRequest("GET", "/v1/allocation/"+documentedID, c.body)
		r.ContentLength = c.length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, "%d bytes: %s", c.length, w.Body)
		require.Contains(t, w.Body.String(), c.says)
	}
}

// TestDocumented serves the documented allocation, and expects the documented JSON.
func TestDocumented(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	index := place(t, s)
	_, want := documented(t)
	w := ask(httpapi.New(s, nil), "GET", "/v1/allocation/"+documentedID)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var got, documented map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.NoError(t, json.Unmarshal(want, &documented))
	require.EqualValues(t, index, got["ModifyIndex"])
	for _, stamped := range []string{"CreateIndex", "ModifyIndex", "AllocModifyIndex"} {
		delete(got, stamped)
		delete(documented, stamped)
	}
	require.Equal(t, documented, got)
}

// TestForms reads all forms of an answer, several times, before and after a write.
func TestForms(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	for _, opts := range []*httpapi.Options{nil, {MaxCacheBytes: -1}, {MaxCacheBytes: 6000}} {
		h := httpapi.New(s, opts)
		for n := range 4 {
			if n == 2 {
				_, err := s.AppendTaskEvent(t.Context(), documentedID, "redis", "", schema.TaskEvent{Type: schema.TaskSetup, Message: "<&>"})
				require.NoError(t, err)
			}
			want, err := s.Get(documentedID)
			require.NoError(t, err)
			for _, pretty := range []string{"", "?pretty"} {
				for _, accept := range []string{"", "gzip", "br, gzip;q=0.5", "*", "gzip;q=0", "identity"} {
					w := ask(h, "GET", "/v1/allocation/"+documentedID+pretty, "Accept-Encoding", accept)
					body := w.Body.Bytes()
					if w.Header().Get("Content-Encoding") == "gzip" {
						unzipped, err := gzip.NewReader(bytes.NewReader(body))
						require.NoError(t, err)
						body, err = io.ReadAll(unzipped)
						require.NoError(t, err)
						require.NotContains(t, []string{"", "gzip;q=0", "identity"}, accept)
					} else {
						require.Contains(t, []string{"", "gzip;q=0", "identity"}, accept)
					}
					got, err := schema.DecodeJSON(body)
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			}
		}
	}
}

// TestDisplayMessages has the messages in the answer only if Options asks for them.
func TestDisplayMessages(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	target := "/v1/allocation/" + documentedID
	shown := ask(httpapi.New(s, &httpapi.Options{DisplayMessages: true}), "GET", target).Body.Bytes()
	plain := ask(httpapi.New(s, nil), "GET", target).Body.Bytes()
	require.Contains(t, string(shown), `"DisplayMessage":"The task is up"`)
	require.NotContains(t, string(plain), "DisplayMessage")
	a, err := schema.DecodeJSON(shown)
	require.NoError(t, err)
	b, err := schema.DecodeJSON(plain)
	require.NoError(t, err)
	require.Equal(t, b, a, "the same without the messages")
}

// TestClosedStore asks for an allocation of a closed store.
func TestClosedStore(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	place(t, s)
	require.NoError(t, s.Close())
	var log bytes.Buffer
	w := ask(httpapi.New(s, &httpapi.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), "GET", "/v1/allocation/"+documentedID)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "closed")
	require.Contains(t, log.String(), "status=503")
}

// FuzzHandler sends arbitrary requests: each answer has a documented status other than 500.
func FuzzHandler(f *testing.F) {
	s := storetest.Open(f)
	place(f, s)
	h := httpapi.New(s, nil)
	f.Add("GET", "/v1/allocation/"+documentedID, "index=0&wait=1ms&pretty&stale&region=global", "gzip;q=0.5, *")
	f.Add("HEAD", "/v1/allocation/", "index=18446744073709551615&wait=0.001ms", "")
	f.Add("PUT", "/v1/allocation/%zz", "stale=%zz;", "gzip;q=x")
	f.Fuzz(func(t *testing.T, method, path, query, accept string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header.Set("Accept-Encoding", accept)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no request blocks
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(ctx))
		switch w.Code {
		case 200, 400, 404, 405, 431, 503: // 503: the context has ended
		default:
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}
