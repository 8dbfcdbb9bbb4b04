package boltfile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/damagetest"
)

// FuzzFile reads arbitrary files. If a file is accepted, bbolt must show the same content, and
// the file must still be accepted after bbolt has written to it.
func FuzzFile(f *testing.F) {
	dir := damagetest.Dir(f)
	for seed := range uint64(4) {
		path := filepath.Join(dir, "seed")
		r := newRandom(200 + seed)
		r.keys, r.most = 30, 40
		require.NoError(f, fillSmall(path, r, seed%2 == 0))
		file, err := os.ReadFile(path)
		require.NoError(f, err)
		require.NoError(f, os.Remove(path))
		file = file[:lastPage(file)*craftedPage]
		f.Add(file)
		for i, kind := range damagetest.Kinds {
			f.Add(kind.Damage(rand.New(rand.NewPCG(seed, uint64(i))), file, craftedPage))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		require.NoError(t, os.WriteFile(path, file, 0o600))
		defer os.Remove(path)
		before := allocated()
		err := readAll(path)
		require.Less(t, allocated()-before, 3*uint64(len(file))+1<<20)
		if err != nil {
			require.ErrorAs(t, err, new(*boltfile.Damage))
			return
		}
		require.NoError(t, use(path, rand.New(rand.NewPCG(1, 2))))
	})
}

// fillSmall makes a database without long values: a fuzzer needs short files.
func fillSmall(path string, r *random, noFreelist bool) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		PageSize: craftedPage, NoSync: true, NoGrowSync: true, NoFreelistSync: noFreelist, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"a", "b", "c"} {
			b, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for range r.IntN(60) {
				if err := b.Put([]byte(r.key()), make([]byte, r.IntN(60))); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

// lastPage returns the number of pages in use by the newest meta page.
func lastPage(file []byte) uint64 {
	return slices.Max([]uint64{4, le.Uint64(file[56:]), le.Uint64(file[craftedPage+56:])})
}
