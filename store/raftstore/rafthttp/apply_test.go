package rafthttp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
	"allocstore/store/storetest"
)

// TestApply applies batches on a follower, and has some refused for each reason.
func TestApply(t *testing.T) {
	t.Parallel()
	all := start(t, 3)
	leads := leader(t, all)
	f := followers(all, leads)[0]
	a, err := f.client.Apply(t.Context(), upsert(1, 2))
	require.NoError(t, err)
	got, err := f.Store().Get(storetest.ID(2))
	require.NoError(t, err, "it is shown where it was written")
	require.Equal(t, a.Index, got.ModifyIndex)
	b := upsert(1)
	b.Delete(storetest.ID(9))
	again, err := f.client.Apply(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, store.Applied{Index: a.Index, Unchanged: 1, Unknown: []string{storetest.ID(9)}}, again)

	b = upsert(1)
	b.Expect(storetest.ID(1), 1)
	_, err = f.client.Apply(t.Context(), b)
	require.ErrorIs(t, err, store.ErrConflict)
	refuses(t, err, rafthttp.KindConflict, storetest.ID(1))
	b = new(store.Batch)
	b.Upsert(&schema.Allocation{ID: storetest.ID(7)})
	_, err = f.client.Apply(t.Context(), b)
	refuses(t, err, rafthttp.KindInvalid, "job")
	b = new(store.Batch)
	b.Upsert(storetest.Mock(storetest.WithID(storetest.ID(3)), func(a *schema.Allocation) { a.Name = strings.Repeat("x", 1<<20) }))
	_, err = f.client.Apply(t.Context(), b)
	require.ErrorIs(t, err, store.ErrTooLarge)
	refuses(t, err, rafthttp.KindTooLarge, "1048576 bytes")
	for _, wrong := range []string{"", "x", "\x01", "\x01\xff\xff\xff\xff\xff"} {
		answer, text := ask(t, "POST", f.server.URL+"/v1/allocstore/apply", wrong)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		require.Contains(t, text, `"Kind":"invalid"`)
	}
	require.Equal(t, a.Index, leads.Store().LastIndex(), "nothing else was written")
}

// TestNoMajority closes two of three nodes. Writes on the last one are refused, with the kind that says whether they may have
// happened; reads are refused, apart from stale ones.
func TestNoMajority(t *testing.T) {
	t.Parallel()
	all := start(t, 3)
	leads := leader(t, all)
	_, err := leads.client.Apply(t.Context(), upsert(1))
	require.NoError(t, err)
	go func() {
		for _, m := range followers(all, leads) {
			_ = m.Close() // again when the test ends, with the same error
		}
	}()
	for err == nil {
		_, err = leads.client.Apply(t.Context(), upsert(2))
	}
	require.ErrorIs(t, err, raftstore.ErrOutcomeUnknown, "it was proposed")
	refuses(t, err, rafthttp.KindUnknown, "")
	answer, _ := ask(t, "POST", leads.server.URL+"/v1/allocstore/apply", string(bytesOf(upsert(3))))
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	_, err = leads.client.Apply(t.Context(), upsert(3))
	require.ErrorIs(t, err, raftstore.ErrNotLeader)

	read := leads.server.URL + "/v1/allocation/" + storetest.ID(1)
	for _, query := range []string{"", "?consistent"} {
		answer, text := ask(t, "GET", read+query, "")
		require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
		require.Equal(t, "No cluster leader\n", text)
	}
	answer, _ = ask(t, "GET", read+"?stale", "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "false", answer.Header.Get("X-Nomad-KnownLeader"))
	for _, path := range []string{"/v1/status/leader", "/v1/operator/raft/configuration", "/v1/operator/snapshot"} {
		answer, text := ask(t, "GET", leads.server.URL+path, "")
		require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
		require.Equal(t, "No cluster leader\n", text)
		answer, _ = ask(t, "GET", leads.server.URL+path+"?stale", "")
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	status, err := leads.client.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, status.Leader)
	require.NoError(t, leads.Close())
	_, err = leads.client.Apply(t.Context(), upsert(4))
	refuses(t, err, rafthttp.KindUnavailable, "closed")
}

func bytesOf(b *store.Batch) []byte {
	data, _ := b.MarshalBinary() // the error is always nil
	return data
}

// TestFreshness has a node that belongs to no cluster, and one that follows.
func TestFreshness(t *testing.T) {
	t.Parallel()
	fresh := rafthttp.Freshness(open(t, "x").Node, 200*time.Millisecond)
	began := time.Now()
	_, err := fresh(t.Context(), httpapi.Default)
	require.ErrorIs(t, err, httpapi.ErrNoLeader)
	require.GreaterOrEqual(t, time.Since(began), 150*time.Millisecond, "it waits for a leader")
	c, err := fresh(t.Context(), httpapi.Stale)
	require.NoError(t, err)
	require.Negative(t, c.LastContact)
	require.False(t, c.KnownLeader)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = fresh(ctx, httpapi.Consistent)
	require.ErrorIs(t, err, context.Canceled)

	all := start(t, 3)
	leads := leader(t, all)
	f := followers(all, leads)[0]
	for i := range uint32(20) {
		_, err := leads.client.Apply(t.Context(), upsert(i))
		require.NoError(t, err)
		answer, text := ask(t, "GET", f.server.URL+"/v1/allocation/"+storetest.ID(i), "")
		require.Equal(t, http.StatusOK, answer.StatusCode, "written on the leader, read on a follower: %s", text)
	}
	for _, m := range all {
		answer, _ := ask(t, "GET", m.server.URL+"/v1/allocation/"+storetest.ID(1)+"?consistent", "")
		require.Equal(t, "true", answer.Header.Get("X-Nomad-KnownLeader"))
		last, err := strconv.Atoi(answer.Header.Get("X-Nomad-LastContact"))
		require.NoError(t, err)
		require.Less(t, last, 10_000)
		require.True(t, m != leads || last == 0)
	}
}

// TestSnapshot saves the content of a follower, and restores it on the leader.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	all := start(t, 3)
	leads := leader(t, all)
	f := followers(all, leads)[0]
	_, err := leads.client.Apply(t.Context(), upsert(1, 2, 3))
	require.NoError(t, err)
	answer, text := ask(t, "GET", f.server.URL+"/v1/operator/snapshot", "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	sum := sha256.Sum256([]byte(text))
	require.Equal(t, "sha-256="+base64.StdEncoding.EncodeToString(sum[:]), answer.Header.Get("Digest"))
	info, err := store.ReadBackupInfo(bytes.NewReader([]byte(text)))
	require.NoError(t, err)
	require.Equal(t, f.Store().LastIndex(), info.Index)

	b := new(store.Batch)
	b.Delete(storetest.ID(1))
	_, err = leads.client.Apply(t.Context(), b)
	require.NoError(t, err)
	answer, why := ask(t, "PUT", f.server.URL+"/v1/operator/snapshot", text)
	require.Equal(t, http.StatusMisdirectedRequest, answer.StatusCode)
	require.Contains(t, why, "only the leader restores: ask "+string(leads.id))
	for _, wrong := range []string{"", text[:len(text)-1], text + "x", strings.Repeat("x", 1<<20+1)} {
		answer, why := ask(t, "PUT", leads.server.URL+"/v1/operator/snapshot", wrong)
		require.GreaterOrEqual(t, answer.StatusCode, 400, why)
		require.Less(t, answer.StatusCode, 500, why)
	}
	_, err = leads.Store().Get(storetest.ID(1))
	require.ErrorIs(t, err, store.ErrNotFound, "nothing was restored yet")
	answer, why = ask(t, "PUT", leads.server.URL+"/v1/operator/snapshot", text)
	require.Equal(t, http.StatusOK, answer.StatusCode, why)
	answer, _ = ask(t, "GET", f.server.URL+"/v1/allocation/"+storetest.ID(1)+"?consistent", "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// TestClientLost tells a request that was not sent from one whose answer was lost.
func TestClientLost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c, err := rafthttp.NewClient("http://"+l.Addr().String(), nil)
	require.NoError(t, err)
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.Close()
		}
	}()
	_, err = c.Apply(t.Context(), upsert(1))
	require.ErrorIs(t, err, raftstore.ErrOutcomeUnknown)
	require.NoError(t, l.Close())
	_, err = c.Apply(t.Context(), upsert(1))
	require.ErrorIs(t, err, raftstore.ErrNotLeader)
	for _, wrong := range []string{"", "localhost:1", "ftp://x", "http://%"} {
		_, err := rafthttp.NewClient(wrong, nil)
		require.ErrorIs(t, err, store.ErrInvalid, wrong)
	}
}
