package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestLists compares every list of every peer with the data, and the lengths with the lists.
func TestLists(t *testing.T) {
	b := newBench(tiny(t), t.TempDir())
	peers, end, err := b.listers()
	require.NoError(t, err)
	require.Len(t, peers, 3)
	lists := make(map[listKind]map[string]int)
	for _, kind := range listKinds {
		lists[kind] = make(map[string]int)
	}
	for k := range b.data.jobs() {
		for _, a := range b.data.batch(k) {
			lists[nodeList][a.NodeID]++
			lists[jobList][a.JobID]++
			lists[prefixList][a.ID[:4]]++
			lists[allList][""]++
		}
	}
	for kind, of := range b.data.lists() {
		require.Equal(t, lists[kind], map[string]int(of), "lengths of lists by %s", kind)
	}
	for _, p := range peers {
		v, err := p.view()
		require.NoError(t, err)
		for kind, of := range lists {
			for key, want := range of {
				var got tally
				require.NoError(t, v.list(kind, key, &got))
				require.Equal(t, tally{want, want * statusLen}, got, "%s: list by %s %s", p.name, kind, key)
			}
		}
		for _, kind := range []listKind{nodeList, jobList, prefixList} {
			var got tally
			require.NoError(t, v.list(kind, "abcd", &got))
			require.Equal(t, lists[kind]["abcd"], got.n, "%s: a list that is not there", p.name)
		}
		require.NoError(t, v.close())
	}
	require.NoError(t, end())
}

// TestListCheck checks that a wrong list is noticed.
func TestListCheck(t *testing.T) {
	r := listReader{kind: nodeList, expected: lengths{"a": 2}, picked: []string{"a"}}
	for n, want := range map[int]bool{1: false, 2: true, 3: false} {
		r.got = []tally{{n, n * statusLen}}
		require.Equal(t, want, r.check() == nil, "%d of 2", n)
	}
	r.got = []tally{{2, statusLen}}
	require.Error(t, r.check(), "an allocation that was not read")
}

// TestGetMany checks the order, and that an absent ID does not end the rest.
func TestGetMany(t *testing.T) {
	b := newBench(tiny(t), t.TempDir())
	o, err := b.resident()
	require.NoError(t, err)
	ids := []string{b.data.ids[7], randomID(b.data.rng(99)), b.data.ids[3]}
	var got []*schema.Allocation
	var missing int
	for a, err := range o.getMany(ids) {
		if err != nil {
			missing++
			continue
		}
		got = append(got, a)
	}
	require.Equal(t, 1, missing)
	require.Len(t, got, 2)
	require.Equal(t, []string{ids[0], ids[2]}, []string{got[0].ID, got[1].ID})
	require.NoError(t, errors.Join(o.close(), b.close()))
}

func TestManyCheck(t *testing.T) {
	b := newBench(tiny(t), t.TempDir())
	o, err := b.resident()
	require.NoError(t, err)
	r := newManyReader(o, b.data)
	require.Equal(t, perChunk, r.pick())
	require.Error(t, r.check(), "nothing was read")
	require.NoError(t, eachReader{r}.read())
	require.NoError(t, r.check())
	r.ids[5] = b.data.ids[0]
	require.Error(t, r.check(), "another allocation than the one asked for")
	require.NoError(t, o.close())
}
