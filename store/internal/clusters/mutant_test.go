package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMutants: the harness notices each cluster that breaks a promise.
func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name   string
		only   []string // faults
		faults []string // one of these is in the report
	}{
		{mutantEarly, []string{"kill the leader"}, []string{"an acknowledged write is lost"}},
		{mutantUnverified, []string{"stop the leader", "cut the leader off"}, []string{"a linearizable read shows index"}},
		{mutantFeed, []string{"nothing"}, []string{"the feed skips a batch"}},
		{mutantDeparture, []string{"nothing"}, []string{"the departures are"}},
		{mutantStale, []string{"kill a node"}, []string{"and has shown"}},
		{mutantTalks, []string{"store cannot write"}, []string{"and answers a read"}},
		{mutantBare, []string{"kill the leader", "stop the leader"}, []string{"a write is applied twice", "whose condition"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := config{time: 40 * time.Second, part: 4 * time.Second, seed: 1, dir: t.TempDir(), mutant: m.name, only: m.only}
			r, err := run(t.Context(), c, io.Discard)
			require.ErrorIs(t, err, errViolation)
			found := slices.ContainsFunc(r.Failed, func(f string) bool {
				return slices.ContainsFunc(m.faults, func(part string) bool { return strings.Contains(f, part) })
			})
			require.True(t, found, "%v", r)
			t.Logf("after %v, in part %d", r.Length.Round(time.Second), r.Parts)
		})
	}
}
