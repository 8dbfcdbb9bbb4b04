package httpapi_test

import (
	"context"
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
	"allocstore/store/storetest"
)

// bubble runs fn under synctest, with a store and a handler of its own.
func bubble(t *testing.T, opts *httpapi.Options, fn func(t *testing.T, s *store.Store, h http.Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Open(t)
		fn(t, s, httpapi.New(s, opts))
		synctest.Wait()
		require.Zero(t, s.Stats().Waiters, "no waiter is left")
	})
}

// An asked request is in progress.
type asked struct {
	*httptest.ResponseRecorder
	done chan time.Duration
}

// block asks, and expects that the request blocks.
func block(ctx context.Context, t *testing.T, h http.Handler, target string) asked {
	t.Helper()
	a := asked{httptest.NewRecorder(), make(chan time.Duration, 1)}
	began := time.Now()
	go func() {
		h.ServeHTTP(a, httptest.NewRequest("GET", target, nil).WithContext(ctx))
		a.done <- time.Since(began)
	}()
	synctest.Wait()
	require.Empty(t, a.done, "answered at once: %s", a.Body)
	return a
}

func (a asked) index() string { return a.Header().Get("X-Nomad-Index") }

func TestBlocking(t *testing.T) {
	const at = "/v1/allocation/" + documentedID
	ctx := context.Background()
	bubble(t, nil, func(t *testing.T, s *store.Store, h http.Handler) {
		placed := block(ctx, t, h, at+"?index=1")
		index := place(t, s)
		<-placed.done
		require.Equal(t, http.StatusOK, placed.Code, "a request for an absent ID blocks")

		for _, c := range []struct {
			wait     string
			min, max time.Duration
		}{
			{"", 5 * time.Minute, 5*time.Minute + 5*time.Minute/16},
			{"&wait=60s", time.Minute, time.Minute + time.Minute/16},
			{"&wait=0", 5 * time.Minute, 5*time.Minute + 5*time.Minute/16},
			{"&wait=1h", 10 * time.Minute, 10*time.Minute + 10*time.Minute/16},
		} {
			timesOut := block(ctx, t, h, at+"?index="+strconv.FormatUint(index, 10)+c.wait)
			took := <-timesOut.done
			require.GreaterOrEqual(t, took, c.min, c.wait)
			require.Less(t, took, c.max, c.wait)
			require.Equal(t, http.StatusOK, timesOut.Code)
			require.Equal(t, strconv.FormatUint(index, 10), timesOut.index())
		}

		changed := block(ctx, t, h, at+"?index="+strconv.FormatUint(index, 10))
		applied, err := s.AppendTaskEvent(ctx, documentedID, "redis", "dead", schema.TaskEvent{Type: schema.TaskTerminated})
		require.NoError(t, err)
		<-changed.done
		require.Equal(t, strconv.FormatUint(applied.Index, 10), changed.index())
		require.Contains(t, changed.Body.String(), `"State":"dead"`)

		deleted := block(ctx, t, h, at+"?index="+changed.index())
		applied, err = s.Delete(ctx, documentedID)
		require.NoError(t, err)
		<-deleted.done
		require.Equal(t, http.StatusNotFound, deleted.Code)
		require.Equal(t, "alloc not found\n", deleted.Body.String())
		require.Equal(t, strconv.FormatUint(applied.Index, 10), deleted.index())

		gone, hangUp := context.WithCancel(ctx)
		left := block(gone, t, h, at+"?index="+deleted.index())
		hangUp()
		require.Zero(t, <-left.done, "at once")
		require.Equal(t, http.StatusServiceUnavailable, left.Code, "the server may have ended it: the client gets an answer")
	})
}

func TestTooManyBlocked(t *testing.T) {
	const at = "/v1/allocation/" + documentedID
	bubble(t, &httpapi.Options{MaxWaits: 2}, func(t *testing.T, s *store.Store, h http.Handler) {
		ctx, hangUp := context.WithCancel(context.Background())
		first, second := block(ctx, t, h, at+"?index=1"), block(ctx, t, h, at+"?index=1")
		third := ask(h, "GET", at+"?index=1")
		require.Equal(t, http.StatusTooManyRequests, third.Code)
		require.Equal(t, "1", third.Header().Get("Retry-After"))
		require.Equal(t, http.StatusNotFound, ask(h, "GET", at).Code, "a request that does not block is answered")
		other, _ := documented(t)
		other.ID = "f" + documentedID[1:]
		_, err := s.Upsert(ctx, other)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, ask(h, "GET", "/v1/allocation/"+other.ID+"?index=1").Code, "so is one with an old index")
		_, err = s.Delete(ctx, other.ID)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, ask(h, "GET", "/v1/allocation/"+other.ID+"?index=2").Code)
		hangUp()
		<-first.done
		<-second.done
		hungUp, cancel := context.WithCancel(context.Background())
		again := block(hungUp, t, h, at+"?index=1")
		cancel()
		<-again.done
	})
}
