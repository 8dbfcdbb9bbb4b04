package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

// TestOpenRefuses opens files that are no store. The file must stay unchanged and unlocked.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"a directory":      {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, syscall.EISDIR},
		"an empty file":    {func(t *testing.T, path string) { writeFile(t, path, "") }, store.ErrCorrupt},
		"a text file":      {func(t *testing.T, path string) { writeFile(t, path, strings.Repeat("no database\n", 1000)) }, store.ErrCorrupt},
		"a foreign bbolt":  {otherDatabase, store.ErrCorrupt},
		"a newer format":   {func(t *testing.T, path string) { withFormat(t, path, 3) }, store.ErrFormatVersion},
		"no format":        {func(t *testing.T, path string) { withFormat(t, path, 0) }, store.ErrFormatVersion},
		"a truncated file": {cutFile, store.ErrCorrupt},
		"two bad metas":    {badMetas, store.ErrCorrupt},
		"a future floor":   {func(t *testing.T, path string) { markedAhead(t, path, "floor") }, store.ErrCorrupt},
		"a future restore": {func(t *testing.T, path string) { markedAhead(t, path, "restored") }, store.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t, "x.db")
			c.make(t, path)
			before := fileContent(path)
			_, err := store.Open(path, detecting)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, path, "the error names the file")
			require.Equal(t, before, fileContent(path), "Open leaves the file unchanged")
			_, err = store.Open(path, &store.Options{DetectMutation: true, LockTimeout: -1})
			require.ErrorIs(t, err, c.want, "Open leaves no lock")
		})
	}
}

func otherDatabase(t *testing.T, path string) {
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("meta")); return err }))
	require.NoError(t, db.Close())
}

func withFormat(t *testing.T, path string, version uint32) {
	s := openToClose(t, path, nil)
	shut(t, s)
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), binary.BigEndian.AppendUint32(nil, version))
	})
}

// markedAhead sets a mark above the last index, in a file of format 1 without a sum. A reader of
// such a store would retry for ever.
func markedAhead(t *testing.T, path, key string) {
	s := openToClose(t, path, nil)
	last := upsert(t, s, placed(1))
	shut(t, s)
	mark(t, path, key, last+1)
}

// cutFile truncates a store after its meta pages. bbolt would crash on that file.
func cutFile(t *testing.T, path string) {
	s := openToClose(t, path, nil)
	for i := range 200 {
		upsert(t, s, placed(i))
	}
	shut(t, s)
	require.NoError(t, os.Truncate(path, 12<<10))
}

// badMetas damages both meta pages.
func badMetas(t *testing.T, path string) {
	withFormat(t, path, 1)
	for page := range 2 {
		overwrite(t, path, page*os.Getpagesize()+16, []byte("xxxx"))
	}
}

// TestOpenSurvivesOneBadMeta damages one meta page, as a power cut during a commit may.
func TestOpenSurvivesOneBadMeta(t *testing.T) {
	t.Parallel()
	for page := range 2 {
		path := tempPath(t, "x.db")
		s := openToClose(t, path, nil)
		for i := range 3 {
			upsert(t, s, placed(i))
		}
		shut(t, s)
		overwrite(t, path, page*os.Getpagesize()+70, []byte("torn"))
		var log bytes.Buffer
		s = open(t, path, &store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.GreaterOrEqual(t, s.LastIndex(), uint64(3), "at most the last commit is lost")
		require.Contains(t, log.String(), "level=WARN")
		upsert(t, s, placed(9))
	}
}

// TestOpenCreatesOnce creates the same store by many openers at once. One of them succeeds, and
// no other file is left in the directory.
func TestOpenCreatesOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		dir := t.TempDir()
		var mu sync.Mutex
		var got []*store.Store
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := store.Open(filepath.Join(dir, "x.db"), &store.Options{DetectMutation: true, LockTimeout: -1})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, s)
				} else if !errors.Is(err, store.ErrLocked) {
					t.Errorf("want ErrLocked: %v", err)
				}
			})
		}
		wg.Wait()
		require.Len(t, got, 1, "one opener gets the store")
		shut(t, got[0])
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "no temporary file is left")
		info, err := entries[0].Info()
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}
}

// TestOpenInAnUnwritableDirectory opens a store in a directory that even root cannot write to,
// and in one that does not exist.
func TestOpenInAnUnwritableDirectory(t *testing.T) {
	t.Parallel()
	_, err := store.Open("/sys/allocstore.db", detecting)
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.ErrorContains(t, err, "/sys/allocstore.db")
	_, err = store.Open(filepath.Join(t.TempDir(), "absent", "x.db"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestOptionsValidate opens a store with three invalid options.
func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	_, err := store.Open(tempPath(t, "x.db"), &store.Options{DetectMutation: true, MaxAllocationBytes: -1, MaxBatchBytes: -1, InitialMmapBytes: -1})
	require.ErrorIs(t, err, store.ErrInvalid)
	for _, name := range []string{"MaxAllocationBytes", "MaxBatchBytes", "InitialMmapBytes"} {
		require.ErrorContains(t, err, name, "the error names every fault")
	}
	require.NoError(t, (*store.Options)(nil).Validate())
}

// TestDamagedRecordIsFound damages every byte of a record's value, one at a time. Open refuses
// the file, or the store does not serve the record's allocation.
func TestDamagedRecordIsFound(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	s := openToClose(t, path, nil)
	upsert(t, s, placed(1))
	shut(t, s)
	served := 0
	for at := 0; ; at++ {
		var value []byte
		edit(t, path, func(tx *bbolt.Tx) error {
			log := tx.Bucket([]byte("log"))
			k, v := log.Cursor().First()
			value = append(value, v...)
			if at > 0 {
				value[at-1] ^= 0x10
			}
			if at < len(value) {
				value[at] ^= 0x10
			}
			return log.Put(append([]byte(nil), k...), value)
		})
		s, err := store.Open(path, &store.Options{DetectMutation: true, Logger: silent})
		if at == len(value) {
			require.NoError(t, err, "the record is repaired")
			shut(t, s)
			require.Greater(t, served, len(value)/5, "damage in a part of the record does not keep the file from opening")
			return
		}
		if err == nil {
			served++
			require.Equal(t, 1, s.Stats().Quarantined)
			_, err = s.Get(idOf(1))
			require.NoError(t, s.Close())
		}
		require.ErrorIs(t, err, store.ErrCorrupt, "byte %d", at)
		require.ErrorContains(t, err, "record 2.0", "the error names the place")
	}
}

// TestLostRecordIsFound deletes the first record of an allocation from the log. Without it the
// client's update that follows would read as a deletion.
func TestLostRecordIsFound(t *testing.T) {
	t.Parallel()
	path := tempPath(t, "x.db")
	s := openToClose(t, path, nil)
	upsert(t, s, placed(1))
	updateClient(t, s, &schema.Allocation{ID: idOf(1), ClientStatus: "running"})
	shut(t, s)
	edit(t, path, func(tx *bbolt.Tx) error {
		log := tx.Bucket([]byte("log"))
		k, _ := log.Cursor().First()
		return log.Delete(append([]byte(nil), k...))
	})
	_, err := store.Open(path, detecting)
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, "record 3.0")
}

// fileContent returns the file's content, or the error of reading it as text.
func fileContent(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
