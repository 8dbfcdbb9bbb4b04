package logfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/record"
)

// formatVersion is the version of the format that this package writes. It also reads the
// older ones, and Map for writing upgrades a file:
//
//	1  The content sum is of the content alone, or missing. A commit was synced twice.
//	2  The content sum includes the transaction's ID, since a commit is synced once; see
//	   Manifest.TotalIn. The first commit, which Map makes, writes it.
const formatVersion = 2

// A Manifest describes the content of a file in numbers. It is stored with every transaction.
type Manifest struct {
	Sum      record.ContentSum // of all records and jobs
	Last     uint64            // the last index
	Floor    uint64            // compaction may have forgotten the past up to it; 0 before that
	Restored uint64            // the index of the last restore; 0 for none

	// Note has the applied index and the floor of entries; see Applied.
	Note  Note
	noted record.JobHash // of the Note that the file has; zero for none

	// SumHasTxid reports whether the stored sum includes the transaction's ID, as all
	// sums of format 2 do. A newer state without it is stale.
	SumHasTxid bool
}

// Total returns the sum of all of it, as backups and files of format 1 have it.
func (m *Manifest) Total() uint64 {
	sum := m.Sum
	if m.Note != "" {
		sum.Add(m.Note.hash().SumNumber())
	}
	return sum.ManifestSum(m.Last, m.Floor, m.Restored)
}

// TotalIn returns the sum as the transaction txid stores it. Without the ID, a meta page
// that reached the disk without its pages could lead to older pages, which are valid by
// themselves, with a sum that is right for them.
func (m *Manifest) TotalIn(txid uint64) uint64 { return m.Total() + record.TransactionNumber(txid) }

// Put writes the manifest as it is after the Tx, apart from Floor and Restored.
func (m *Manifest) Put(t Tx) error {
	meta := t.meta()
	return errors.Join(
		m.putNote(t),
		meta.Put(formatKey, binary.BigEndian.AppendUint32(nil, formatVersion)),
		meta.Put(indexKey, index.Append(nil, m.Last)),
		meta.Put(sumKey, binary.BigEndian.AppendUint64(nil, m.TotalIn(uint64(t.tx.ID())))),
	)
}

// PutMarks writes Floor and Restored.
func (m *Manifest) PutMarks(t Tx) error {
	meta := t.meta()
	return errors.Join(putMark(meta, floorKey, m.Floor), putMark(meta, restoredKey, m.Restored))
}

// putMark writes the number under key, unless it is 0 and was so.
func putMark(meta *bbolt.Bucket, key []byte, n uint64) error {
	if n == 0 && meta.Get(key) == nil {
		return nil
	}
	return meta.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// Keys of the meta bucket.
var (
	formatKey   = []byte("format")
	indexKey    = []byte("index")
	sumKey      = []byte("sum")      // files from before there were sums lack it
	floorKey    = []byte("floor")    // Manifest.Floor
	restoredKey = []byte("restored") // Manifest.Restored
	idsKey      = []byte("ids")      // about how many IDs there were at Close
)

var metaKeys = []string{string(formatKey), string(indexKey), string(floorKey), string(restoredKey), string(idsKey), string(sumKey)}

// StoredManifest is the manifest in the meta bucket of a file. It lacks the Sum: the reader
// of the file adds up the content, and Verify compares.
type StoredManifest struct {
	Manifest
	IDs       uint64 // about how many IDs there are, 0 if unknown
	Jobs, Log boltfile.Bucket
	sum       []byte
}

// ReadManifest reads the manifest of a store's file by plain reads, and finds its other
// buckets. It refuses any other database.
func ReadManifest(f *boltfile.File) (*StoredManifest, error) {
	buckets, err := f.Buckets()
	if err != nil {
		return nil, err
	}
	for _, name := range [][]byte{metaBucket, jobsBucket, logBucket} {
		if _, ok := buckets[string(name)]; !ok {
			return nil, fmt.Errorf("%w: a bbolt database, but no allocstore: no bucket %q", record.ErrCorrupt, name)
		}
	}
	if len(buckets) > 3 {
		return nil, fmt.Errorf("%w: buckets that no store has: %q", record.ErrCorrupt, slices.Sorted(maps.Keys(buckets)))
	}
	meta := make(map[string][]byte)
	err = f.Walk(buckets[string(metaBucket)], func(k, v []byte) error {
		if !slices.Contains(metaKeys, string(k)) {
			return fmt.Errorf("%w: key %q", record.ErrCorrupt, k)
		}
		meta[string(k)] = slices.Clone(v)
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("bucket meta: %w", err)
	}
	m, err := parseManifest(meta)
	if err != nil {
		return nil, fmt.Errorf("bucket meta: %w", err)
	}
	m.Jobs, m.Log = buckets[string(jobsBucket)], buckets[string(logBucket)]
	return m, nil
}

// parseManifest reads any values.
func parseManifest(meta map[string][]byte) (*StoredManifest, error) {
	format, err := formatOf(meta)
	if err != nil {
		return nil, err
	}
	m := &StoredManifest{sum: meta[string(sumKey)]}
	m.SumHasTxid = format > 1
	if m.Last, err = index.Parse(meta[string(indexKey)]); err != nil {
		return nil, fmt.Errorf("%w: %w", record.ErrCorrupt, err)
	}
	err = errors.Join(
		readMark(meta, floorKey, &m.Floor),
		readMark(meta, restoredKey, &m.Restored),
		readMark(meta, idsKey, &m.IDs),
	)
	if err == nil && max(m.Floor, m.Restored) > m.Last {
		// A reader at that index would wait for the store to get there.
		err = fmt.Errorf("%w: floor %d, restored %d, and the last index is %d", record.ErrCorrupt, m.Floor, m.Restored, m.Last)
	}
	return m, err
}

// formatOf returns the version of the format, and refuses an unknown one.
func formatOf(meta map[string][]byte) (uint32, error) {
	v := meta[string(formatKey)]
	if len(v) != 4 {
		return 0, fmt.Errorf("%w: meta: format version of %d bytes", record.ErrCorrupt, len(v))
	}
	got := binary.BigEndian.Uint32(v)
	if got == 0 || got > formatVersion {
		return 0, fmt.Errorf("%w: the file has version %d, this package writes %d", ErrFormatVersion, got, formatVersion)
	}
	return got, nil
}

// readMark reads the number under key into to, if there is one.
func readMark(meta map[string][]byte, key []byte, to *uint64) error {
	v := meta[string(key)]
	if len(v) != 0 && len(v) != 8 {
		return fmt.Errorf("%w: %s of %d bytes", record.ErrCorrupt, key, len(v))
	}
	if len(v) == 8 {
		*to = binary.BigEndian.Uint64(v)
	}
	return nil
}

// Verify compares the stored sum with m.Sum, which the reader of the file has added up,
// and with the transaction that the file is in. A file from before there were sums passes.
func (m *StoredManifest) Verify(txid uint64) error {
	total := m.Total()
	if m.SumHasTxid {
		total = m.TotalIn(txid)
	}
	got := binary.BigEndian.AppendUint64(nil, total)
	if len(m.sum) == 0 && !m.SumHasTxid || bytes.Equal(got, m.sum) {
		return nil
	}
	return fmt.Errorf("%w: the content's sum is %x, and was %x when it was last written: some of it is missing, or out of date", record.ErrCorrupt, got, m.sum)
}
