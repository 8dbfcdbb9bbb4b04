package main

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain runs the tests, or one node.
func TestMain(m *testing.M) {
	asked, err := serveIfAsked()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if asked {
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // the tests wait most of the time
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestCluster is a short run, with a seed of its own each time.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := config{time: 30 * time.Second, part: 8 * time.Second, seed: uint64(time.Now().UnixNano()), command: "go test"}
	if testing.Short() {
		c.time, c.part = 6*time.Second, 6*time.Second
	}
	r, err := run(t.Context(), c, os.Stderr)
	t.Log(r)
	require.NoError(t, err)
	require.NotEmpty(t, r.Faults)
	require.NotZero(t, r.Batches)
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-time", "0"}, {"-part", "-1s"}, {"x"}, {"-none"}} {
		_, err := parse(args, discard{})
		require.Error(t, err, args)
	}
	c, err := parse([]string{"-time", "2m", "-seed", "7"}, discard{})
	require.NoError(t, err)
	require.Equal(t, 2*time.Minute, c.time)
	require.Equal(t, "go -C store/internal/clusters run . -time 2m -seed 7", c.command)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
