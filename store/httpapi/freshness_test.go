package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
)

// A node is a Freshness with one answer. It notes the questions.
type node struct {
	asked   []httpapi.Consistency
	contact httpapi.Contact
	err     error
}

func (n *node) fresh(_ context.Context, c httpapi.Consistency) (httpapi.Contact, error) {
	n.asked = append(n.asked, c)
	return n.contact, n.err
}

// TestConsistency asks for each consistency, and compares the headers with the contact of the node.
func TestConsistency(t *testing.T) {
	const at = "/v1/allocation/" + documentedID
	n := new(node)
	bubble(t, &httpapi.Options{Freshness: n.fresh}, func(t *testing.T, s *store.Store, h http.Handler) {
		place(t, s)
		for _, c := range []struct {
			query       string
			contact     httpapi.Contact
			asked       httpapi.Consistency
			known, last string
		}{
			{"", httpapi.Contact{KnownLeader: true}, httpapi.Default, "true", "0"},
			{"?consistent", httpapi.Contact{LastContact: 17 * time.Millisecond, KnownLeader: true}, httpapi.Consistent, "true", "17"},
			{"?stale", httpapi.Contact{LastContact: 1999 * time.Microsecond}, httpapi.Stale, "false", "1"},
			{"?stale=1&consistent=false", httpapi.Contact{LastContact: -1}, httpapi.Stale, "false", "9223372036854"},
			{"?stale=false&consistent=", httpapi.Contact{}, httpapi.Consistent, "false", "0"},
			{"?stale=F", httpapi.Contact{}, httpapi.Default, "false", "0"},
		} {
			n.asked, n.contact = nil, c.contact
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at+c.query, nil))
			require.Equal(t, http.StatusOK, w.Code, "%s: %s", c.query, w.Body)
			require.Equal(t, []httpapi.Consistency{c.asked}, n.asked, c.query)
			require.Equal(t, c.known, w.Header().Get("X-Nomad-KnownLeader"), c.query)
			require.Equal(t, c.last, w.Header().Get("X-Nomad-LastContact"), c.query)
		}
		n.asked = nil
		for _, query := range []string{"?stale&consistent", "?consistent=true&stale=1", "?consistent=2", "?consistent&consistent"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at+query, nil))
			require.Equal(t, http.StatusBadRequest, w.Code, query)
		}
		require.Empty(t, n.asked, "wrong requests are refused first")
	})
}

// TestNoLeader has a node that cannot make its store as fresh as asked.
func TestNoLeader(t *testing.T) {
	const at = "/v1/allocation/" + documentedID
	n := new(node)
	bubble(t, &httpapi.Options{Freshness: n.fresh}, func(t *testing.T, s *store.Store, h http.Handler) {
		place(t, s)
		for _, c := range []struct {
			err  error
			code int
			text string
		}{
			{fmt.Errorf("an election: %w", httpapi.ErrNoLeader), http.StatusInternalServerError, "No cluster leader\n"},
			{fmt.Errorf("a restart: %w", httpapi.ErrBehind), http.StatusServiceUnavailable, "this node is behind the leader: ask another one, or for stale\n"},
			{store.ErrClosed, http.StatusServiceUnavailable, store.ErrClosed.Error() + "\n"},
			{context.Canceled, http.StatusServiceUnavailable, "the request was ended\n"},
			{errors.New("odd"), http.StatusInternalServerError, "odd\n"},
		} {
			n.err = c.err
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at+"?index=1", nil))
			require.Equal(t, c.code, w.Code)
			require.Equal(t, c.text, w.Body.String())
			require.Empty(t, w.Header().Get("X-Nomad-Index"), "there is no answer of the store")
		}
	})
}

// TestContactAfterBlocking loses the leader while a request is blocked: the headers are those of the end.
func TestContactAfterBlocking(t *testing.T) {
	const at = "/v1/allocation/" + documentedID
	n := &node{contact: httpapi.Contact{KnownLeader: true}}
	bubble(t, &httpapi.Options{Freshness: n.fresh}, func(t *testing.T, s *store.Store, h http.Handler) {
		index := place(t, s)
		blocked := block(t.Context(), t, h, at+"?consistent&index="+strconv.FormatUint(index, 10))
		n.contact = httpapi.Contact{LastContact: time.Second}
		_, err := s.AppendTaskEvent(t.Context(), documentedID, "redis", "dead", schema.TaskEvent{Type: schema.TaskTerminated})
		require.NoError(t, err)
		<-blocked.done
		synctest.Wait()
		require.Equal(t, []httpapi.Consistency{httpapi.Consistent, httpapi.Stale}, n.asked)
		require.Equal(t, "1000", blocked.Header().Get("X-Nomad-LastContact"))
		require.Equal(t, "false", blocked.Header().Get("X-Nomad-KnownLeader"))
	})
}
