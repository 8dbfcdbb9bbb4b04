package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
)

// numbered returns the n-th ID.
func numbered(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-00000000000a", n) }

// replacing returns allocation n, which replaces another one unless that is 0.
func replacing(n, other int) *schema.Allocation {
	a := &schema.Allocation{ID: numbered(n), JobID: "a", Job: &schema.Job{ID: "a"}}
	if other > 0 {
		a.PreviousAllocation = numbered(other)
	}
	return a
}

// TestImportKeepsNextAllocation has an allocation that was replaced twice. The client of the first replacement
// reports last, so its line comes after those of the others, in a batch of its own. The import has the same
// NextAllocation, and a second one changes nothing.
func TestImportKeepsNextAllocation(t *testing.T) {
	t.Parallel()
	for _, between := range []int{0, 3 * importBatch} {
		t.Run(fmt.Sprint("between=", between), func(t *testing.T) {
			t.Parallel()
			from, to := filepath.Join(t.TempDir(), "from.db"), filepath.Join(t.TempDir(), "to.db")
			s, err := store.Open(from, nil)
			require.NoError(t, err)
			for n, other := range []int{0, 1, 1} {
				_, err = s.Upsert(t.Context(), replacing(n+1, other))
				require.NoError(t, err)
			}
			b := new(store.Batch)
			for n := range between {
				b.Upsert(replacing(100+n, 0))
			}
			_, err = s.Apply(t.Context(), b)
			require.NoError(t, err)
			_, err = s.SetClientStatus(t.Context(), numbered(2), "running", "")
			require.NoError(t, err)
			require.NoError(t, s.Close())

			want := exported(t, from)
			require.Contains(t, want[numbered(1)], fmt.Sprintf(`"NextAllocation":%q`, numbered(3)))
			_, text, _ := runText(t, "", "-f", from, "export")
			code, _, said := runText(t, text, "-f", to, "import")
			require.Zero(t, code, said)
			require.Equal(t, want, exported(t, to))
			_, at, _ := strings.Cut(said, "; ")
			code, _, said = runText(t, text, "-f", to, "import")
			require.Zero(t, code, said)
			all := humanize.Comma(int64(3 + between))
			require.Equal(t, all+" allocations: "+all+" unchanged; "+at, said)
			require.Equal(t, want, exported(t, to))
		})
	}
}

// A lineage is a store of allocations that replace each other at random.
type lineage struct {
	*store.Store
	rnd  *rand.Rand
	size int
}

// change makes random writes: placements, some of which replace an allocation, statuses, and updates with any
// NextAllocation or none.
func (l *lineage) change(t *testing.T, writes int) {
	for range writes {
		var err error
		switch n := 1 + l.rnd.IntN(l.size+1); l.rnd.IntN(4) {
		case 0, 1:
			l.size++
			a := replacing(l.size, l.rnd.IntN(l.size))
			a.ClientStatus = []string{"", schema.ClientStatusLost}[l.rnd.IntN(2)]
			_, err = l.Upsert(t.Context(), a)
		case 2:
			_, err = l.SetClientStatus(t.Context(), numbered(n), fmt.Sprint("status ", l.rnd.IntN(5)), "")
		case 3:
			is, missing := l.Get(numbered(n))
			if missing != nil {
				continue
			}
			a := *is
			a.DesiredDescription = fmt.Sprint(l.rnd.IntN(5))
			if a.NextAllocation = ""; l.rnd.IntN(2) > 0 {
				a.NextAllocation = numbered(1 + (n+l.rnd.IntN(l.size))%(l.size+1)) // another one
			}
			_, err = l.Upsert(t.Context(), &a)
		}
		require.NoError(t, err)
	}
}

// contents returns the allocations of a store by their IDs, as JSON without the indexes.
func contents(t *testing.T, s *store.Store) map[string]string {
	all := make(map[string]string)
	for is, err := range s.All() {
		require.NoError(t, err)
		a := *is
		a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex = 0, 0, 0
		text, err := json.Marshal(&a)
		require.NoError(t, err)
		all[a.ID] = string(text)
	}
	return all
}

// linesAfter returns the lines of an export of the changes above an index.
func linesAfter(t *testing.T, s *store.Store, after uint64) []string {
	sn, err := s.Snapshot()
	require.NoError(t, err)
	defer sn.Close()
	all, _, err := changedAfter(t.Context(), sn, after)
	require.NoError(t, err)
	var text bytes.Buffer
	a := &app{out: &text, err: io.Discard}
	require.NoError(t, a.exportAll(t.Context(), &text, sn, all))
	return slices.Collect(strings.Lines(text.String()))
}

// TestImportRandomLineages exports stores of allocations that replace each other, all and then the later changes, and
// imports them in batches of a few, in the order of the export or any: the content is the same, and importing again
// changes nothing.
func TestImportRandomLineages(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		open := func() *store.Store {
			s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), nil)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		from, to := &lineage{Store: open(), rnd: rnd}, open()
		after := uint64(0)
		for round := range 3 {
			from.change(t, 1+rnd.IntN(40))
			lines := linesAfter(t, from.Store, after)
			after = from.LastIndex()
			if rnd.IntN(2) == 0 {
				rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			}
			at := uint64(0)
			for again := range 2 {
				im := &importer{report: io.Discard, most: 1 + rnd.IntN(7), maxText: 1 << 20}
				require.NoError(t, im.importAll(t.Context(), to, strings.NewReader(strings.Join(lines, ""))))
				require.Equal(t, len(lines), im.written())
				require.Equal(t, contents(t, from.Store), contents(t, to), "seed %d, round %d", seed, round)
				if again == 1 {
					require.Equal(t, len(lines), im.unchanged, "seed %d, round %d", seed, round)
					require.Equal(t, at, to.LastIndex(), "seed %d, round %d", seed, round)
				}
				at = to.LastIndex()
			}
		}
	}
}

// TestImportCircle has allocations that replace each other in a circle: they are imported.
func TestImportCircle(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	for n, other := range []int{0, 3, 4, 2, 4} {
		text, err := json.Marshal(replacing(n+1, other))
		require.NoError(t, err)
		lines.Write(append(text, '\n'))
	}
	code, said := importText(t, lines.String())
	require.Zero(t, code, said)
	require.Contains(t, said, "5 allocations: 5 inserted")
}
