package rafthttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/httpapi"
	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
	"allocstore/store/storetest"
)

const (
	patience = 60 * time.Second
	hold     = 3 * time.Second // longer than an election
)

var quiet = slog.New(slog.DiscardHandler)

// A member is a node of a test, with its HTTP server.
type member struct {
	*raftstore.Node
	id      raft.ServerID
	address raft.ServerAddress
	server  *httptest.Server
	client  *rafthttp.Client
}

// start returns n nodes in this process, which have a leader, and serve all paths.
func start(t *testing.T, n int) []*member {
	t.Helper()
	var all []*member
	var first []raftstore.Member
	for i := range n {
		m := open(t, fmt.Sprintf("n%d", i))
		all = append(all, m)
		first = append(first, raftstore.Member{ID: m.id, Address: m.address, Voter: true})
	}
	require.NoError(t, all[0].Bootstrap(first...))
	leads := leader(t, all)
	for _, m := range all {
		require.Eventually(t, func() bool { _, id := m.Raft().LeaderWithID(); return id == leads.id }, patience, time.Millisecond)
	}
	return all
}

// open opens a node that belongs to no cluster.
func open(t *testing.T, id string) *member {
	t.Helper()
	trans, err := raftstore.NewTransport("127.0.0.1:0", &raftstore.TransportOptions{Logger: quiet})
	require.NoError(t, err)
	n, err := raftstore.Open(filepath.Join(t.TempDir(), id), &raftstore.Config{
		ID: raft.ServerID(id), Transport: trans, Logger: quiet,
		Raft: func(c *raft.Config) {
			c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 700*time.Millisecond, 700*time.Millisecond, 350*time.Millisecond
			c.CommitTimeout = 5 * time.Millisecond
		},
	})
	require.NoError(t, err)
	m := &member{Node: n, id: raft.ServerID(id), address: trans.LocalAddr()}
	mux := http.NewServeMux()
	mux.Handle("/v1/", rafthttp.New(n, &rafthttp.Options{MaxBatchBytes: 1 << 20, MaxSnapshotBytes: 1 << 20, Hold: hold, Timeout: 10 * time.Second, Logger: quiet}))
	mux.Handle("/v1/allocation/", httpapi.New(n.Store(), &httpapi.Options{Freshness: rafthttp.Freshness(n, hold), Logger: quiet}))
	m.server = httptest.NewServer(mux)
	m.client, err = rafthttp.NewClient(m.server.URL, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		m.server.CloseClientConnections()
		m.server.Close()
		require.NoError(t, n.Close())
	})
	return m
}

// leader waits for a leader.
func leader(t *testing.T, all []*member) *member {
	t.Helper()
	var leads *member
	require.Eventually(t, func() bool {
		for _, m := range all {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := m.Read(ctx, raftstore.Linearizable)
			cancel()
			if err == nil && m.Raft().State() == raft.Leader {
				leads = m
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	return leads
}

// followers returns the other nodes.
func followers(all []*member, leads *member) (others []*member) {
	for _, m := range all {
		if m != leads {
			others = append(others, m)
		}
	}
	return others
}

// ask sends a request, and returns the answer with its text.
func ask(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer, string(text)
}

func upsert(numbers ...uint32) *store.Batch {
	b := new(store.Batch)
	for _, n := range numbers {
		b.Upsert(storetest.Mock(storetest.WithID(storetest.ID(n)), storetest.OnNode("node1")))
	}
	return b
}
