package raftstore

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestCloseEndsForwards: calls that wait for the answer of another node end when this one is closed, or halts, or hears of
// another leader.
func TestCloseEndsForwards(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*cluster, *testNode){
		"close":      func(c *cluster, tn *testNode) { c.shut(tn) },
		"halt":       func(_ *cluster, tn *testNode) { _ = tn.halt.begin(context.Canceled) },
		"new leader": func(c *cluster, _ *testNode) { c.shut(c.leader()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits := make(chan struct{}, 10)
			c := newCluster(t, 3, nil, func(c *Config) {
				forward := c.Forward
				c.Forward = func(ctx context.Context, to raft.ServerAddress, request []byte) ([]byte, error) {
					if request[0] == requestTerm {
						return forward(ctx, to, request)
					}
					waits <- struct{}{}
					<-ctx.Done() // as over a network that is cut
					return nil, ctx.Err()
				}
			})
			tn := c.follower()
			node := tn.Node
			errs := make(chan error, 2)
			go func() { _, err := node.Apply(context.Background(), upsert(1)); errs <- err }()
			<-waits
			go func() { _, err := node.Read(context.Background(), Linearizable); errs <- err }()
			<-waits
			end(c, tn)
			for range 2 {
				select {
				case err := <-errs:
					require.Error(t, err)
				case <-time.After(20 * time.Second):
					t.Fatal("a call waits for ever")
				}
			}
		})
	}
}
