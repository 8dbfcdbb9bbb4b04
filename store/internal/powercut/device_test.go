package main

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// after returns the device after the operations.
func after(ops ...Op) *device {
	d := newDevice()
	for i := range ops {
		d.do(&ops[i])
	}
	return d
}

// cutWith cuts the power and has all units meet the same fate.
func cutWith(d *device, kind fateKind) *image {
	all := make([]fate, len(d.units))
	for i := range all {
		all[i].kind = kind
	}
	return d.cutPower(all)
}

func write(at int64, text string) Op {
	return Op{Kind: OpWrite, File: 1, At: at, Data: []byte(text)}
}

var (
	created = Op{Kind: OpCreate, File: 1, Name: "a"}
	synced  = Op{Kind: OpSync, File: 1}
	dirSync = Op{Kind: OpSyncDir}
)

// show returns the file's content, or "none" if it is missing.
func show(img *image, name string) string {
	f := img.files[name]
	if f == nil {
		return "none"
	}
	return string(f.read(0, int(f.size)))
}

func TestWhatASyncCovers(t *testing.T) {
	t.Parallel()
	later := func(op Op) Op { op.DataOnly = true; return op }
	failed := func(op Op) Op { op.Err = syscall.EIO; return op }
	grown := Op{Kind: OpTruncate, File: 1, At: 4}
	for _, c := range []struct {
		name      string
		ops       []Op
		none, all string // the content if no unit is done, and if all are
	}{
		{"nothing is durable by itself", []Op{created, write(0, "x")}, "none", "x"},
		{"a file's sync does not cover its name", []Op{created, write(0, "x"), synced}, "none", "x"},
		{"the directory's does not cover the content", []Op{created, write(0, "x"), dirSync}, "", "x"},
		{"both", []Op{created, write(0, "x"), synced, dirSync}, "x", "x"},
		{"what comes after a sync", []Op{created, write(0, "xy"), synced, dirSync, write(1, "z")}, "xy", "xz"},
		{"a length", []Op{created, write(0, "x"), grown, synced, dirSync}, "x\x00\x00\x00", "x\x00\x00\x00"},
		{"a length after an fdatasync", []Op{created, write(0, "x"), grown, later(synced), dirSync}, "x", "x\x00\x00\x00"},
		{"a write that failed", []Op{created, failed(write(0, "x")), synced, dirSync}, "", ""},
		{"a sync that failed", []Op{created, dirSync, write(0, "x"), failed(synced)}, "", "x"},
		{"and the one after it", []Op{created, dirSync, write(0, "x"), failed(synced), synced}, "", "x"},
		{"a write again after it", []Op{created, dirSync, write(0, "xy"), failed(synced), write(0, "z"), synced}, "z", "zy"},
		{"a name's sync that failed", []Op{created, failed(dirSync), write(0, "x"), synced}, "none", "x"},
		{"and succeeded", []Op{created, failed(dirSync), dirSync, write(0, "x"), synced}, "x", "x"},
		{"a rename", []Op{created, dirSync, write(0, "x"), synced, {Kind: OpRename, Name: "a", To: "b"}}, "x", "none"},
		{"a link and a removal", []Op{created, write(0, "x"), synced, {Kind: OpLink, File: 1, To: "b"}, {Kind: OpUnlink, Name: "a"}, dirSync}, "none", "none"},
	} {
		d := after(c.ops...)
		require.Equal(t, c.none, show(cutWith(d, undone), "a"), "%s: nothing else is done", c.name)
		require.Equal(t, c.all, show(cutWith(d, done), "a"), "%s: all is done", c.name)
	}
}

func TestFates(t *testing.T) {
	t.Parallel()
	page := make([]byte, pageSize)
	for i := range page {
		page[i] = 'x'
	}
	d := after(created, dirSync, write(0, "old"), synced, write(0, string(page)))
	at := func(f fate) string { return show(d.cutPower([]fate{f}), "a") }
	require.Equal(t, "xxld", func() string {
		f := after(created, dirSync, write(0, "olld"), synced, write(0, "xxxx"))
		return show(f.cutPower([]fate{{kind: torn, cut: 2}}), "a")
	}(), "torn after two bytes")
	require.Len(t, at(fate{kind: torn, cut: sectorSize}), pageSize)
	require.NotEqual(t, string(page), at(fate{kind: garbage, seed: 1}))
	same := after(created, dirSync, write(0, string(page)), synced, write(0, string(page)))
	require.Equal(t, string(page), show(cutWith(same, garbage), "a"), "a sector that does not change is whole")

	r := rand.New(rand.NewPCG(1, 1))
	require.Len(t, subsets(5, r), 32, "all subsets of few")
	require.Less(t, len(subsets(5000, r)), 1000, "some of many")
	for _, one := range fates(d.units, r) {
		require.Len(t, one, len(d.units))
	}
}
