package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWrapKeepsWords wraps random lines to all widths: the words are the same, and no line is too wide unless
// it has one word alone.
func TestWrapKeepsWords(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		text := strings.Repeat(" ", r.IntN(6))
		for range r.IntN(20) {
			text += strings.Repeat("é", r.IntN(15)) + strings.Repeat(" ", 1+r.IntN(8)/6*r.IntN(5))
		}
		for width := 1; width < 60; width++ {
			wrapped := wrap(text+"\n", width)
			require.Equal(t, strings.Fields(text), strings.Fields(wrapped), "width %d", width)
			for line := range strings.Lines(wrapped) {
				if line = strings.TrimSpace(line); columns(line) > width {
					require.NotContains(t, line, " ", "width %d: %q", width, wrapped)
				}
			}
			require.Equal(t, text+"\n", wrap(text+"\n", 0))
		}
	}
}

// TestBarFits draws bars of all kinds in all widths. None is wider, and only one that is done has 100 %.
func TestBarFits(t *testing.T) {
	t.Parallel()
	for _, total := range []int64{-1, 0, 1, 1000, 1 << 40, math.MaxInt64} {
		for _, n := range []int64{0, 1, 999, 1000, 1001, 1 << 40, math.MaxInt64} {
			for _, done := range []bool{false, true} {
				b := &bar{title: "backing up", total: total, n: n, bytes: n%2 == 0}
				for width := range 120 {
					line := b.line(width, done)
					require.LessOrEqual(t, len(line), width, "%q", line)
					if width > 30 {
						require.Equal(t, done, strings.Contains(line, "100 %"), "%d of %d: %q", n, total, line)
					}
				}
			}
		}
	}
}

// TestVersion describes builds of a release, of a changed working copy, and of a test.
func TestVersion(t *testing.T) {
	t.Parallel()
	of := func(main string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: main}, Settings: settings}
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3, go1.26.0":  of("v1.2.3"),
		"(devel), go1.26.0": of(""),
		"v1.2.4-0.2026, revision 34899ab of 2026-11-27T08:00:00Z, modified, go1.26.0": of("v1.2.4-0.2026",
			debug.BuildSetting{Key: "vcs.revision", Value: "34899ab"}, debug.BuildSetting{Key: "vcs.time", Value: "2026-11-27T08:00:00Z"},
			debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
	} {
		require.Equal(t, want, version(info, true))
	}
	require.Equal(t, "unknown", version(nil, false))
}

// TestShortIDsStayDistinct shortens IDs that begin alike: they stay different.
func TestShortIDsStayDistinct(t *testing.T) {
	t.Parallel()
	table := &tableText{columns: []column{{"ID", idCell}, {"Node", otherID}}}
	for n := range int64(3) {
		table.add(fmt.Sprintf("203266e5-e0d6-9486-5e05-%012x", n<<40), "node1")
	}
	short := table.shortened(idCell).shortened(otherID)
	require.Equal(t, [][]string{{"203266e5-e0d6-9486-5e05-00", "node1"}, {"203266e5-e0d6-9486-5e05-01", "node1"}, {"203266e5-e0d6-9486-5e05-02", "node1"}}, short.rows)
	require.Len(t, table.rows[0][0], 36, "the table itself is unchanged")
}
