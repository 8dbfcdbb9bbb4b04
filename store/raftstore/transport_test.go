package raftstore

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
	"allocstore/store/storetest"
)

// An authority issues certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue signs a certificate, with the authority's key once there is one.
func (a *authority) issue(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

// mutual returns the settings of a node.
func (a *authority) mutual() *tls.Config {
	cert, key := a.issue(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// TestMutualTLS runs a cluster whose nodes verify each other. A client without a certificate, one with that of another
// authority and one without TLS get no answer.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := newCluster(t, 3, &TransportOptions{TLS: a.mutual()}, nil)
	tn := c.follower()
	c.apply(tn, upsert(1))
	c.equal()
	stranger := a.mutual()
	stranger.Certificates = nil
	other := newAuthority(t).mutual()
	other.RootCAs = stranger.RootCAs
	for name, config := range map[string]*tls.Config{"no certificate": stranger, "another authority": other, "no TLS": nil} {
		trans, err := NewTransport("127.0.0.1:0", &TransportOptions{TLS: config, Logger: quiet, Timeout: time.Second})
		require.NoError(t, err)
		e := entry{}
		_, err = trans.Forward(t.Context(), c.leader().address, append([]byte{requestPropose}, e.encode()...))
		require.Error(t, err, name)
		require.NoError(t, trans.Close())
	}
	trans, err := NewTransport("127.0.0.1:0", &TransportOptions{TLS: a.mutual(), Logger: quiet})
	require.NoError(t, err)
	defer trans.Close()
	answer, err := trans.Forward(t.Context(), c.leader().address, []byte{requestLease})
	require.NoError(t, err)
	_, err = decodeIndex(answer)
	require.NoError(t, err)
}

// TestDial: the nodes of a cluster know each other by addresses that only Dial can reach, with TLS and without.
func TestDial(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{"plain": nil, "tls": newAuthority(t).mutual()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var server *Transport
			o := TransportOptions{TLS: config, Logger: quiet, Dial: func(ctx context.Context, address string) (net.Conn, error) {
				if address != "127.0.0.1:1" {
					return nil, fmt.Errorf("no route to %s", address)
				}
				return new(net.Dialer).DialContext(ctx, "tcp", server.mux.Listener.Addr().String())
			}}
			client, err := NewTransport("127.0.0.1:0", &o)
			require.NoError(t, err)
			defer client.Close()
			o.Advertise = "127.0.0.1:1"
			server, err = NewTransport("127.0.0.1:0", &o)
			require.NoError(t, err)
			defer server.Close()
			server.Serve(func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
			b, err := client.Forward(t.Context(), server.LocalAddr(), []byte("here"))
			require.NoError(t, err)
			require.Equal(t, "here", string(b))
			_, err = client.Forward(t.Context(), "127.0.0.1:2", []byte("there"))
			require.ErrorIs(t, err, ErrNotLeader)
			require.ErrorContains(t, err, "no route")
		})
	}
}

// pair returns a transport that serves handle, and another one.
func pair(t *testing.T, o TransportOptions, handle func(context.Context, []byte) ([]byte, error)) (client *Transport, server raft.ServerAddress) {
	t.Helper()
	o.Logger = quiet
	a, err := NewTransport("127.0.0.1:0", &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	b, err := NewTransport("127.0.0.1:0", &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	a.Serve(handle)
	return b, a.LocalAddr()
}

// TestForward: answers come in any order, over one connection.
func TestForward(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	client, server := pair(t, TransportOptions{}, func(_ context.Context, b []byte) ([]byte, error) {
		switch string(b) {
		case "slow":
			<-hold
		case "error":
			return nil, errors.New("refused")
		}
		return append([]byte("re: "), b...), nil
	})
	slow := make(chan string, 1)
	go func() {
		b, _ := client.Forward(t.Context(), server, []byte("slow"))
		slow <- string(b)
	}()
	for range 100 {
		b, err := client.Forward(t.Context(), server, []byte("quick"))
		require.NoError(t, err)
		require.Equal(t, "re: quick", string(b))
	}
	_, err := client.Forward(t.Context(), server, []byte("error"))
	require.ErrorIs(t, err, ErrNotLeader, "it was not handled")
	require.ErrorContains(t, err, "refused")
	close(hold)
	require.Equal(t, "re: slow", <-slow)
}

// TestForwardFails tells requests that were not sent from those whose outcome is unknown.
func TestForwardFails(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	client, server := pair(t, TransportOptions{MaxRequestBytes: 100}, func(ctx context.Context, b []byte) ([]byte, error) {
		arrived <- struct{}{}
		<-ctx.Done() // the connection's end
		return nil, ctx.Err()
	})
	_, err := client.Forward(t.Context(), server, make([]byte, 101))
	require.ErrorIs(t, err, ErrNotLeader)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = client.Forward(t.Context(), raft.ServerAddress(l.Addr().String()), []byte("x"))
	require.ErrorIs(t, err, ErrNotLeader)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = client.Forward(ctx, server, []byte("x"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrNotLeader)
	go func() { <-arrived; _ = client.Close() }()
	_, err = client.Forward(t.Context(), server, []byte("x"))
	require.ErrorIs(t, err, errBroken)
	require.NotErrorIs(t, err, ErrNotLeader)
	_, err = client.Forward(t.Context(), server, []byte("x"))
	require.ErrorIs(t, err, ErrNotLeader)
}

// TestHostileConnections: bytes of strangers end their connection, and no other.
func TestHostileConnections(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, &TransportOptions{MaxRequestBytes: 1 << 20}, nil)
	tn := c.nodes[0]
	for name, b := range map[string][]byte{
		"unknown kind":   {'x', 1, 2, 3},
		"too large":      append([]byte{forwardStream}, appendFrame(nil, 1, make([]byte, 2<<20))[:frameHead]...),
		"not raft":       append([]byte{raftStream}, bytes.Repeat([]byte{0xff}, 100)...),
		"wrong requests": append(append([]byte{forwardStream}, appendFrame(nil, 1)...), 0, 0, 0),
	} {
		conn, err := net.Dial("tcp", string(tn.address))
		require.NoError(t, err)
		_, err = conn.Write(b)
		require.NoError(t, err, name)
		_ = conn.(*net.TCPConn).CloseWrite() // which fails if the node has ended it already
		_, _ = io.Copy(io.Discard, conn)     // until the node ends it
		_ = conn.Close()
	}
	c.place(tn, 0, 3)
	_, err := NewTransport("0.0.0.0:0", nil)
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "Advertise")
}

// TestHandleRefuses: wrong requests have an answer, and do not reach the log.
func TestHandleRefuses(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil, nil)
	tn := c.nodes[0]
	last := tn.raft.LastIndex()
	mark, batch := entry{mark: true}, entry{batch: []byte("x")}
	for name, request := range map[string][]byte{
		"empty": {}, "unknown": {99}, "no entry": {requestPropose}, "later": {requestPropose, 99, 0, 0, 0, 0},
		"mark": append([]byte{requestPropose}, mark.encode()...), "batch": append([]byte{requestPropose}, batch.encode()...),
	} {
		answer, err := tn.Handle(t.Context(), request)
		require.NoError(t, err, name)
		_, err = decodeAnswer(answer)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrOutcomeUnknown, name)
	}
	require.Equal(t, last, tn.raft.LastIndex())
	require.NoError(t, tn.available())
}

// TestSelectorsTravel parses the text of each kind of list.
func TestSelectorsTravel(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "node1", `"`, "a, non-terminal", "\xff\n", "prefix \"x\""} {
		for _, sel := range []store.Selector{store.Node(name), store.Job(name), store.Eval(name), store.Prefix(name), store.Everything(), store.Prefix(storetest.ID(3))} {
			for _, v := range []store.Selector{sel, sel.NonTerminal(), sel.Placements(), sel.NonTerminal().Placements()} {
				got, err := parseSelector(v.String())
				require.NoError(t, err, "%v", v)
				require.Equal(t, v, got)
			}
		}
	}
	for _, wrong := range []string{"", "no list", `node`, `node "x`, `node "x"y`, "everything else", `node "x", placements, non-terminal`} {
		_, err := parseSelector(wrong)
		require.Error(t, err, wrong)
	}
}

// TestLargeMessageOnASlowNetwork sends a message for longer than the timeout, to a reader that never stops for as long. One that
// stops ends it.
func TestLargeMessageOnASlowNetwork(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	for name, stops := range map[string]bool{"slow": false, "stopped": true} {
		here, there := net.Pipe()
		go func() {
			b := make([]byte, pacedBytes)
			for range 4 {
				time.Sleep(timeout / 2)
				_, _ = io.ReadFull(there, b)
			}
			if !stops {
				_, _ = io.Copy(io.Discard, there)
			}
		}()
		conn := &pacedConn{here, timeout}
		require.NoError(t, conn.SetDeadline(time.Now().Add(timeout))) // as raft does once
		n, err := conn.Write(make([]byte, 6*pacedBytes))
		if stops {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
			require.Equal(t, 4*pacedBytes, n, name)
		} else {
			require.NoError(t, err, name)
			require.Equal(t, 6*pacedBytes, n, name)
		}
		_, _ = here.Close(), there.Close()
	}
}
