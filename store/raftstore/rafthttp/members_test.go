package rafthttp_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store/raftstore/rafthttp"
)

// TestMembers asks a follower for the members in the ways of Nomad, adds one, gives the leadership away, and removes the
// old leader.
func TestMembers(t *testing.T) {
	t.Parallel()
	all := start(t, 3)
	leads := leader(t, all)
	f := followers(all, leads)[0]

	answer, text := ask(t, "GET", f.server.URL+"/v1/status/leader", "")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.JSONEq(t, `"`+string(leads.address)+`"`, text)
	require.Equal(t, "true", answer.Header.Get("X-Nomad-KnownLeader"))
	require.NotEmpty(t, answer.Header.Get("X-Nomad-Index"))
	_, text = ask(t, "GET", f.server.URL+"/v1/status/peers?stale", "")
	var peers []string
	require.NoError(t, json.Unmarshal([]byte(text), &peers))
	require.Equal(t, []string{string(all[0].address), string(all[1].address), string(all[2].address)}, peers)
	_, text = ask(t, "GET", f.server.URL+"/v1/operator/raft/configuration", "")
	var c struct {
		Servers []struct {
			ID, Node, Address, RaftProtocol string
			Leader, Voter                   bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	require.Len(t, c.Servers, 3)
	for i, s := range c.Servers {
		require.Equal(t, string(all[i].address), s.Address)
		require.Equal(t, all[i] == leads, s.Leader)
		require.True(t, s.Voter)
		require.Equal(t, "3", s.RaftProtocol)
	}

	joins := open(t, "n3")
	j := rafthttp.Join{ID: joins.id, Address: joins.address, Nonvoter: true, New: true}
	require.NoError(t, f.client.Join(t.Context(), j))
	status, err := f.client.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, leads.id, status.Leader)
	require.Len(t, status.Members, 4)
	require.False(t, status.Members[3].Voter)
	require.Equal(t, joins.id, status.Members[3].ID)
	refuses(t, f.client.Join(t.Context(), j), rafthttp.KindMember, "its directory is lost")
	refuses(t, f.client.Join(t.Context(), rafthttp.Join{ID: "x", Address: joins.address}), rafthttp.KindMember, "belongs to the member n3")
	refuses(t, f.client.Join(t.Context(), rafthttp.Join{ID: "x", Address: "127.0.0.1:1"}), rafthttp.KindUnreachable, "x cannot be reached at 127.0.0.1:1: ")
	j.New = false
	require.NoError(t, f.client.Join(t.Context(), j), "of a member")
	refuses(t, f.client.Transfer(t.Context(), "n3"), rafthttp.KindFailed, "n3 does not vote")

	require.NoError(t, f.client.Transfer(t.Context(), string(f.id)))
	require.Equal(t, f, leader(t, all))
	require.NoError(t, leads.client.Transfer(t.Context(), ""))
	require.Eventually(t, func() bool { return leader(t, all) != f }, patience, 10*time.Millisecond)
	require.NoError(t, f.client.Transfer(t.Context(), string(leads.id)))
	require.NoError(t, f.client.Leave(t.Context(), string(leads.id)))
	now := leader(t, followers(all, leads))
	require.NotEqual(t, leads, now)
	members, err := now.Members()
	require.NoError(t, err)
	require.Len(t, members, 3)
}

func refuses(t *testing.T, err error, kind, text string) {
	t.Helper()
	var p *rafthttp.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, kind, p.Kind, p.Text)
	require.Contains(t, p.Text, text)
}

// TestWrongRequests are refused with a reason.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	m := start(t, 1)[0]
	for _, c := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"DELETE", "/v1/operator/raft/peer", "", 400, "give the id or the address of the member to remove\n"},
		{"DELETE", "/v1/operator/raft/peer?id=a&address=b", "", 400, "give id or address, not both\n"},
		{"DELETE", "/v1/operator/raft/peer?id=a&id=b", "", 400, "\"id\" is given 2 times\n"},
		{"DELETE", "/v1/operator/raft/peer?id=a", "", 404, "no member has the id or address \"a\"\n"},
		{"PUT", "/v1/operator/raft/transfer-leadership?address=a", "", 404, "no member has the id or address \"a\"\n"},
		{"GET", "/v1/status/leader?stale&consistent", "", 400, "consistent \"\": want either stale or consistent\n"},
		{"GET", "/v1/operator/raft/peer", "", 405, "Method Not Allowed\n"},
		{"GET", "/v1/operator/autopilot", "", 404, "404 page not found\n"},
		{"POST", "/v1/allocstore/join", "{", 400, `{"Kind":"invalid","Error":"body of a join: unexpected EOF"}` + "\n"},
		{"POST", "/v1/allocstore/join", `{"Id":"a","Vote":true}`, 400, `{"Kind":"invalid","Error":"body of a join: json: unknown field \"Vote\""}` + "\n"},
		{"POST", "/v1/allocstore/join", `{"ID":"a"}`, 400, `{"Kind":"invalid","Error":"a join needs an ID and an Address"}` + "\n"},
		{"PUT", "/v1/operator/snapshot", "no backup", 400, ""},
	} {
		answer, text := ask(t, c.method, m.server.URL+c.path, c.body)
		require.Equal(t, c.status, answer.StatusCode, "%s %s: %s", c.method, c.path, text)
		if c.text != "" {
			require.Equal(t, c.text, text, "%s %s", c.method, c.path)
		}
	}
	for _, path := range []string{"/v1/allocstore/apply", "/v1/allocstore/join"} {
		answer, _ := ask(t, "POST", m.server.URL+path, "", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, answer.StatusCode, "of a web page of another origin")
	}
}
