package boltfile_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/damagetest"
)

var damaged = flag.Int("damaged", 400, "number of damaged files of TestDamagedFiles")

// TestDamagedFiles damages databases with all kinds of damage. If boltfile accepts a file,
// bbolt must open, read, write and open it again, with the content that boltfile saw.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	originals := sync.OnceValue(func() [][]byte { return makeOriginals(t) })
	report := damagetest.InChildren(t, *damaged, func(dir string, n int) string {
		all := originals()
		kind := damagetest.Kinds[n%len(damagetest.Kinds)]
		r := rand.New(rand.NewPCG(uint64(n), 11))
		file := all[r.IntN(len(all))]
		return kind.Name + ": " + judge(dir, kind.Damage(r, file, pageSizeOf(file)), r)
	})
	logVerdicts(t, report)
	for verdict := range report.Verdicts {
		require.NotContains(t, verdict, "BAD")
	}
	require.Empty(t, report.Deaths)
}

// logVerdicts logs the verdicts of each kind.
func logVerdicts(t *testing.T, report damagetest.Report) {
	t.Helper()
	for _, v := range slices.Sorted(maps.Keys(report.Verdicts)) {
		t.Logf("%6d %s", report.Verdicts[v], v)
	}
	for _, d := range report.Deaths {
		t.Logf("DEATH %s", d)
	}
}

func pageSizeOf(file []byte) int { return int(le.Uint32(file[24:])) }

// makeOriginals makes databases of up to a few hundred pages, with and without a freelist.
func makeOriginals(t *testing.T) (files [][]byte) {
	dir, err := os.MkdirTemp(os.Getenv("TMPDIR"), "originals-*")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for seed := range uint64(12) {
		path := filepath.Join(dir, fmt.Sprint(seed))
		r := newRandom(100 + seed)
		r.keys, r.most = 400, 60
		require.NoError(t, fill(path, r, 1024<<(seed%3), seed%2 == 0, 120))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		files = append(files, b)
	}
	return files
}

func fill(path string, r *random, pageSize int, noFreelist bool, writes int) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		PageSize: pageSize, NoSync: true, NoGrowSync: true, NoFreelistSync: noFreelist, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return err
	}
	for range writes {
		if err := db.Update(r.write); err != nil {
			return err
		}
	}
	return db.Close()
}

// judge returns the verdict on one damaged file. BAD begins a violation.
func judge(dir string, file []byte, r *rand.Rand) string {
	path := filepath.Join(dir, fmt.Sprint(r.Uint64()))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		return "BAD: " + err.Error()
	}
	defer os.Remove(path)
	before := allocated()
	err := readAll(path)
	if got, most := allocated()-before, 3*uint64(len(file))+1<<20; got > most {
		return fmt.Sprintf("BAD: allocated %d bytes, the file has %d", got, len(file))
	}
	if fault := new(boltfile.Damage); errors.As(err, &fault) {
		return "refused"
	} else if err != nil {
		return "BAD: refused with " + err.Error()
	}
	if err := use(path, r); err != nil {
		return "BAD: " + err.Error()
	}
	return "accepted"
}

// allocated returns the bytes allocated on the heap so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// readAll walks the file and keeps nothing.
func readAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	file, err := boltfile.Newest(f)
	if err != nil {
		return err
	}
	buckets, err := file.Buckets()
	if err != nil {
		return err
	}
	for _, b := range buckets {
		if err := file.Walk(b, func(k, v []byte) error { return nil }, nil); err != nil {
			return err
		}
	}
	return file.Freelist()
}

// use has bbolt read and write the file as a store may do, and compares.
func use(path string, r *rand.Rand) error {
	all, err := walk(path, true)
	if err != nil {
		return err
	}
	want := contentOf(all)
	for _, write := range []func(*bbolt.Tx) error{
		func(*bbolt.Tx) error { return nil },
		func(tx *bbolt.Tx) error { return scatter(tx, want, r) },
		func(tx *bbolt.Tx) error { return shrink(tx, want, r) },
		func(tx *bbolt.Tx) error { return empty(tx, want) },
	} {
		if err := reopen(path, all, write); err != nil {
			return err
		}
		if all, err = walk(path, false); err != nil {
			return fmt.Errorf("what bbolt left is refused: %w", err)
		}
		if !same(contentOf(all), want) {
			return errors.New("what bbolt left is not what was written")
		}
	}
	return nil
}

// reopen opens the database as a store does, compares its content, and writes.
func reopen(path string, want []entry, write func(*bbolt.Tx) error) (err error) {
	was := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(was)
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt panics: %.200s", strings.SplitN(fmt.Sprint(p), "\n", 2)[0])
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return fmt.Errorf("bbolt refuses: %w", err)
	}
	got, err := forEach(db)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return errors.New("bbolt sees other content")
	}
	if err := db.Update(write); err != nil {
		return fmt.Errorf("bbolt does not write: %w", err)
	}
	return db.Close()
}

func put(b *bbolt.Bucket, in map[string]string, k, v string) error {
	in[k] = v
	return b.Put([]byte(k), []byte(v))
}

func remove(b *bbolt.Bucket, from map[string]string, k string) error {
	delete(from, k)
	return b.Delete([]byte(k))
}

// scatter overwrites, adds and deletes here and there, so that most pages are
// written anew.
func scatter(tx *bbolt.Tx, c content, r *rand.Rand) error {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		b, in := tx.Bucket([]byte(name)), c[name]
		for i, k := range slices.Sorted(maps.Keys(in)) {
			var err error
			switch r.IntN(8) {
			case 0:
				err = put(b, in, k, "other")
			case 1:
				err = put(b, in, fmt.Sprint(k, i), "new")
			case 2:
				err = remove(b, in, k)
			}
			if err != nil {
				return err
			}
		}
		if err := put(b, in, "\x00", "the first"); err != nil {
			return err
		}
		if err := put(b, in, "\xff", "the last"); err != nil {
			return err
		}
	}
	return nil
}

// shrink deletes most of every bucket, so that most pages are merged.
func shrink(tx *bbolt.Tx, c content, r *rand.Rand) error {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		for _, k := range slices.Sorted(maps.Keys(c[name])) {
			if r.IntN(8) > 0 {
				if err := remove(tx.Bucket([]byte(name)), c[name], k); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func empty(tx *bbolt.Tx, c content) error {
	for i, name := range slices.Sorted(maps.Keys(c)) {
		if i%2 == 0 {
			delete(c, name)
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
			continue
		}
		for k := range c[name] {
			if err := remove(tx.Bucket([]byte(name)), c[name], k); err != nil {
				return err
			}
		}
	}
	return nil
}
