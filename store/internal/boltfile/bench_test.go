package boltfile_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/damagetest"
)

// BenchmarkWalk reads a log of 100 MB from the page cache: with boltfile, and with bbolt's cursor,
// which verifies nothing, over a file that is mapped already. Both load every cache line of
// every value, as the checksum of a record does.
func BenchmarkWalk(b *testing.B) {
	for _, size := range []int{200, 600, 20_000} {
		path := filepath.Join(damagetest.Dir(b), "log")
		pages := fillLog(b, path, size, 100<<20)
		var sum byte
		touch := func(k, v []byte) error {
			for i := 0; i < len(v); i += 64 {
				sum += v[i]
			}
			return nil
		}
		perPage := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pages), "ns/page")
		}
		b.Run(fmt.Sprintf("value=%d/reader=boltfile", size), func(b *testing.B) {
			for b.Loop() {
				f, err := os.Open(path)
				require.NoError(b, err)
				file, err := boltfile.Newest(f)
				require.NoError(b, err)
				buckets, err := file.Buckets()
				require.NoError(b, err)
				require.NoError(b, file.Walk(buckets["log"], touch, nil))
				require.NoError(b, f.Close())
			}
			perPage(b)
		})
		b.Run(fmt.Sprintf("value=%d/reader=bbolt", size), func(b *testing.B) {
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
			require.NoError(b, err)
			for b.Loop() {
				require.NoError(b, db.View(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("log")).ForEach(touch) }))
			}
			perPage(b)
			require.NoError(b, db.Close())
		})
	}
}

// fillLog writes values of that size under ascending keys, in batches of 1,000, and returns the
// number of pages.
func fillLog(b *testing.B, path string, size, total int) int {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	require.NoError(b, err)
	value := make([]byte, size)
	for i := 0; i*size < total; {
		require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
			log, err := tx.CreateBucketIfNotExists([]byte("log"))
			if err != nil {
				return err
			}
			log.FillPercent = 1
			for range 1000 {
				i++
				if err := log.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), value); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var stats bbolt.BucketStats
	require.NoError(b, db.View(func(tx *bbolt.Tx) error { stats = tx.Bucket([]byte("log")).Stats(); return nil }))
	require.NoError(b, db.Close())
	return stats.BranchPageN + stats.BranchOverflowN + stats.LeafPageN + stats.LeafOverflowN
}
