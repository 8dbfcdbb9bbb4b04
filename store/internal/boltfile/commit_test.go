package boltfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/damagetest"
)

// walked opens the file and walks all of it.
func walked(t *testing.T, path string) (*os.File, *boltfile.File) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	file, err := boltfile.Newest(f)
	require.NoError(t, err)
	entriesOf(t, file)
	require.NoError(t, file.Freelist())
	return f, file
}

// entriesOf returns all keys and values of a file.
func entriesOf(t *testing.T, file *boltfile.File) (all []string) {
	t.Helper()
	buckets, err := file.Buckets()
	require.NoError(t, err)
	for name, b := range buckets {
		require.NoError(t, file.Walk(b, func(k, v []byte) error {
			all = append(all, fmt.Sprintf("%s/%x=%x", name, k, v))
			return nil
		}, nil))
	}
	return all
}

// TestWhatTheLastTransactionWrote compares the file before and after each transaction of
// random databases: Written must return the written pages that are in use.
func TestWhatTheLastTransactionWrote(t *testing.T) {
	t.Parallel()
	dir, found := damagetest.Dir(t), 0
	for seed := range uint64(*oracles) {
		path := filepath.Join(dir, fmt.Sprint(seed))
		r := newRandom(seed)
		size := 1024 << r.IntN(3)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, NoFreelistSync: true, PageSize: size})
		require.NoError(t, err)
		for range 60 {
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, db.Update(r.write))
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			_, file := walked(t, path)
			written := make(map[uint64]bool)
			pages, err := file.Written()
			require.NoError(t, err)
			for _, id := range pages {
				require.True(t, file.InUse(id), "seed %d: page %d", seed, id)
				written[id] = true
			}
			for at := 2 * size; at < len(after); at += size {
				id := uint64(at / size)
				first := bytes.Equal(after[at:at+8], boltfilePage(id)) // not an overflow page
				if first && file.InUse(id) && (at >= len(before) || !bytes.Equal(before[at:at+size], after[at:at+size])) {
					require.True(t, written[id], "seed %d: page %d was written", seed, id)
					found++
				}
			}
		}
		require.NoError(t, db.Close())
		require.NoError(t, os.Remove(path))
	}
	require.Greater(t, found, 100**oracles)
}

// TestSecureWritesWhatWasWalked changes pages after they were verified, as if the page cache had
// dropped them and the disk had others: Secure must notice.
func TestSecureWritesWhatWasWalked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "evicted.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true})
	require.NoError(t, err)
	r := newRandom(1)
	for range 20 {
		require.NoError(t, db.Update(r.write))
	}
	require.NoError(t, db.Close())
	f, file := walked(t, path)
	written, err := file.Written()
	require.NoError(t, err)
	require.NotEmpty(t, written)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, id := range written {
		at := int64(id)*int64(os.Getpagesize()) + 20 // in its first element
		_, err := f.WriteAt([]byte{whole[at] + 1}, at)
		require.NoError(t, err)
		fault := new(boltfile.Damage)
		require.ErrorAs(t, file.Secure(), &fault)
		require.ErrorContains(t, fault, "no longer what was verified")
		_, err = f.WriteAt(whole[at:at+1], at)
		require.NoError(t, err)
	}
	require.NoError(t, file.Secure())
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, whole, after)
}

// boltfilePage returns the first bytes of a page with that number.
func boltfilePage(id uint64) []byte { return le.AppendUint64(nil, id) }

// TestBeforeIsTheStateBefore goes back by one transaction for good, and goes on writing.
func TestBeforeIsTheStateBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "before.db")
	put := func(n byte) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true})
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("log"))
			if err != nil {
				return err
			}
			return b.Put([]byte{n}, bytes.Repeat([]byte{n}, 3000))
		}))
		require.NoError(t, db.Close())
	}
	for n := range byte(20) {
		put(n)
	}
	_, file := walked(t, path)
	before := file.Before()
	require.NotNil(t, before)
	require.Len(t, entriesOf(t, before), 19)
	require.NoError(t, before.Reinstate())

	_, file = walked(t, path)
	require.Equal(t, before.Transaction(), file.Transaction())
	require.Nil(t, file.Before(), "both meta pages are of one transaction")
	require.False(t, file.LostMeta())
	require.NoError(t, file.Secure())
	put(42)
	_, file = walked(t, path)
	require.Equal(t, before.Transaction()+1, file.Transaction())
	require.Len(t, entriesOf(t, file.Before()), 19)
}
