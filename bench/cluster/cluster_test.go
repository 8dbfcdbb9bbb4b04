package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/bench/internal/fleet"
	"allocstore/schema"
)

// TestMain makes the test's own program a worker, if it was started as one.
func TestMain(m *testing.M) {
	if isWorker() {
		main()
		return
	}
	os.Exit(m.Run())
}

const sampleFile = "../../testdata/allocation.json"

// runQuick runs the program at its small size, and returns the report.
func runQuick(t *testing.T, more ...string) *comparison {
	t.Helper()
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "out")
	args := append([]string{"-quick", "-json", "-dir", t.TempDir(), "-out", dir}, more...)
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	var c comparison
	require.NoError(t, json.Unmarshal(out.Bytes(), &c))
	text, err := os.ReadFile(filepath.Join(dir, "cluster.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "target")
	return &c
}

// TestRun runs all kinds of work at the small size. The program checks its own results.
func TestRun(t *testing.T) {
	only := ""
	if testing.Short() {
		only = "^(write/16/|read/linearizable|failover/(allocstore|go-memdb)|away, beyond|restart|install)"
	}
	c := runQuick(t, "-only", only)
	require.Positive(t, c.SyncBefore)
	require.Positive(t, c.SyncAfter)
	of := make(map[string][]string)
	for _, r := range c.Results {
		of[r.Work] = append(of[r.Work], r.Peer)
		require.Positive(t, r.figure(), "%s/%s measured nothing", r.Work, r.Peer)
		require.Positive(t, r.ToOurs, "%s/%s is not compared with ours", r.Work, r.Peer)
		require.NotEmpty(t, r.Samples)
	}
	all := []string{ours, memDB, etcd}
	for work, peers := range map[string][]string{
		"write/16":                             {ours, ours + followers, memDB, etcd, etcd + onLeader},
		"read/linearizable, leader/16":         all,
		"read/linearizable, follower/16":       {ours, etcd},
		"away, beyond the log":                 all,
		"restart/3000, to a stale read":        all,
		"restart/3000, to a linearizable read": {ours, etcd},
		"install/3000, after the last byte":    {ours, memDB},
		"install/3000, from joining on":        {ours, memDB},
	} {
		require.ElementsMatch(t, peers, of[work], work)
	}
	require.Subset(t, of[failoverWork], []string{ours, memDB})
	require.Greater(t, failoverOf(c, ours), 500*time.Millisecond, "an election takes a heartbeat timeout")
	require.Greater(t, failoverOf(c, memDB), 500*time.Millisecond, "an election takes a heartbeat timeout")
}

func failoverOf(c *comparison, peer string) time.Duration {
	return find(c.Results, failoverWork, peer).Took
}

// A faultySystem has one node more than it should, which differs.
type faultySystem struct {
	system
	rows    map[string]*schema.Allocation
	digests []uint64
}

func (s *faultySystem) leader() int        { return 0 }
func (s *faultySystem) applied(int) uint64 { return 1 }

func (s *faultySystem) digest(_ context.Context, node int) (uint64, error) {
	return s.digests[node], nil
}

func (s *faultySystem) local(_ int, id string) (*schema.Allocation, error) {
	if a := s.rows[id]; a != nil {
		return a, nil
	}
	return nil, errMissing
}

// TestVerify: a lost update, an older one, and nodes that differ are found. An update whose outcome is unknown may be there.
func TestVerify(t *testing.T) {
	t.Parallel()
	f, err := fleet.New(sampleFile, 10, 1)
	require.NoError(t, err)
	system := &faultySystem{rows: make(map[string]*schema.Allocation), digests: []uint64{7, 7, 7}}
	s := newSubject(ours, system, f)
	stored := func(i int, stamp int64) { system.rows[f.ID(i)] = s.report(i, stamp) }
	stored(3, epoch+1)
	stored(4, epoch+2)
	s.acked[3], s.acked[4] = epoch+1, epoch+2
	require.NoError(t, s.verify(t.Context()))

	s.doubtful[4] = epoch + 9
	stored(4, epoch+9)
	require.NoError(t, s.verify(t.Context()), "an unknown outcome")
	stored(4, epoch+1)
	require.ErrorContains(t, s.verify(t.Context()), f.ID(4))
	stored(4, epoch+2)
	delete(system.rows, f.ID(3))
	require.ErrorIs(t, s.verify(t.Context()), errMissing)
	stored(3, epoch+1)
	system.digests[2] = 8
	require.ErrorContains(t, s.verify(t.Context()), "digest")
}

// TestGap: the gap is the longest one that ended after the stop.
func TestGap(t *testing.T) {
	t.Parallel()
	at := func(ms ...int) *load {
		l := new(load)
		for _, m := range ms {
			l.acked = append(l.acked, time.UnixMilli(int64(m)))
		}
		return l
	}
	require.Equal(t, 30*time.Millisecond, at(0, 50, 60, 70, 100, 110).gap(time.UnixMilli(65)))
	require.Equal(t, 40*time.Millisecond, at(0, 60, 100).gap(time.UnixMilli(99)), "begun before the stop")
	require.Equal(t, 2, at(1, 2, 3).since(time.UnixMilli(1)))
}

// TestTargets: a target is judged at its size only.
func TestTargets(t *testing.T) {
	t.Parallel()
	results := func(n int, rate float64) []result {
		return []result{
			{Work: writeName(256), Peer: ours, N: n, sample: sample{Rate: rate}},
			{Work: writeName(256), Peer: memDB, N: n, sample: sample{Rate: 10}},
			{Work: installName(300_000), Peer: ours, N: 300_000, sample: sample{Took: time.Second + 1}},
		}
	}
	verdicts := func(results []result) (all []string) {
		for _, row := range judge(results) {
			all = append(all, row.Verdict)
		}
		return all
	}
	require.Equal(t, []string{met, notRun, notRun, notMet, notRun}, verdicts(results(targetSize, 30)))
	require.Equal(t, notMet, verdicts(results(targetSize, 29))[0])
	require.Equal(t, notRun, verdicts(results(targetSize-1, 30))[0])
}

func TestFlags(t *testing.T) {
	t.Parallel()
	_, err := parseFlags([]string{"-n", "10"}, io.Discard)
	require.ErrorContains(t, err, "-n must be at least")
	_, err = parseFlags([]string{"-writers", "1,x"}, io.Discard)
	require.ErrorContains(t, err, `-writers: "x"`)
	_, err = parseFlags([]string{"-only", "("}, io.Discard)
	require.ErrorContains(t, err, "-only")
	cfg, err := parseFlags([]string{"-only", "^write/16/etcd"}, io.Discard)
	require.NoError(t, err)
	r := &runner{cfg: cfg}
	pieces := r.wanted(r.pieces())
	require.Len(t, pieces, 1)
	require.Equal(t, []string{etcd, etcd + onLeader}, []string{pieces[0].turns[0].peer, pieces[0].turns[1].peer})
}

// TestWorkerErrors: a worker answers what it cannot do with an error, and goes on.
func TestWorkerErrors(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	w, err := startWorker(ctx, memDB, t.TempDir(), []string{"-quick"}, io.Discard)
	require.NoError(t, err)
	for range 2 {
		_, err = w.call(&request{Kind: "dance"})
		require.ErrorContains(t, err, `"dance"`)
	}
	require.NoError(t, w.end())
}

// TestTurnsOfASystem: a place belongs to its system.
func TestTurnsOfASystem(t *testing.T) {
	t.Parallel()
	for _, p := range (&runner{cfg: &config{writers: []int{1}, readers: []int{1}}}).pieces() {
		for i := range p.turns {
			require.True(t, slices.Contains(systems, p.turns[i].system()), p.turns[i].peer)
		}
	}
}

// TestInsist: what fails for another reason than a stale read is tried again.
func TestInsist(t *testing.T) {
	t.Parallel()
	tries := 0
	require.NoError(t, insist(t.Context(), func() error {
		if tries++; tries < 3 {
			return errElsewhere
		}
		return nil
	}))
	require.Equal(t, 3, tries)
	require.ErrorIs(t, insist(t.Context(), func() error { return errStale }), errStale)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, insist(canceled, func() error { return errElsewhere }), errElsewhere)
}
