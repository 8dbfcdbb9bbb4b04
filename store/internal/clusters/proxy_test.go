package main

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo returns a link to a server that sends back all that it gets.
func echo(t *testing.T) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	to, err := newLink(0, 1, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(to.close)
	return to
}

// trip sends bytes through a link and back, and returns the time that it took.
func trip(c net.Conn, bytes int, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	_ = c.SetDeadline(began.Add(limit))
	go func() { _, _ = c.Write(make([]byte, bytes)) }()
	_, err := io.ReadFull(c, make([]byte, bytes))
	return time.Since(began), err
}

// TestLink: a link passes bytes on, late, slowly, in one direction only, or not at all, and works again afterwards.
func TestLink(t *testing.T) {
	t.Parallel()
	l := echo(t)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.address())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := dial()
	_, err := trip(c, 100_000, patience)
	require.NoError(t, err)
	l.set(network{delay: 50 * time.Millisecond})
	took, err := trip(c, 10, patience)
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, 100*time.Millisecond, "there and back")
	l.set(network{perSec: 200_000})
	took, err = trip(c, 100_000, patience)
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, 500*time.Millisecond)
	for direction := range 2 {
		var n network
		n.stall[direction] = true
		l.set(n)
		_, err = trip(c, 10, 100*time.Millisecond)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		l.set(network{})
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = io.ReadFull(c, make([]byte, 10))
		require.NoError(t, err, "what was held comes")
	}
	l.set(network{cut: true})
	_, err = trip(c, 10, patience)
	require.Error(t, err, "an old connection")
	_, err = trip(dial(), 10, patience)
	require.Error(t, err, "a new one")
	l.set(network{})
	_, err = trip(dial(), 10, patience)
	require.NoError(t, err)
}
