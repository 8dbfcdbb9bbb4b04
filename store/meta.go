package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"allocstore/index"
	"allocstore/store/internal/boltfile"
)

// Keys of the meta bucket, beside index.Key.
var (
	formatKey   = []byte("format")   // see formatVersion
	sumKey      = []byte("sum")      // see contentSum; a file lacks it that was last written before there were sums
	floorKey    = []byte("floor")    // of the feed; see Store.floor
	restoredKey = []byte("restored") // the last restore's index
	idsKey      = []byte("ids")      // how many IDs there were at Close, more or less
)

// metaKeys are all keys of the meta bucket.
var metaKeys = []string{string(formatKey), index.Key, string(floorKey), string(restoredKey), string(idsKey), string(sumKey)}

// metaValues is the content of the meta bucket.
type metaValues map[string][]byte

// Get returns the value under key, or nil.
func (m metaValues) Get(key []byte) []byte { return m[string(key)] }

// loadMeta takes over what the meta bucket says, and returns it.
func (s *Store) loadMeta(f *boltfile.File, b boltfile.Bucket) (metaValues, error) {
	meta := make(metaValues)
	err := f.Walk(b, func(k, v []byte) error {
		if !slices.Contains(metaKeys, string(k)) {
			return fmt.Errorf("%w: key %q", ErrCorrupt, k)
		}
		meta[string(k)] = slices.Clone(v)
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	format, err := formatOf(meta)
	if err != nil {
		return nil, err
	}
	last, err := index.Read(meta)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	s.index.Publish(last)
	holds := &s.holds
	holds.last, holds.bound = last, format > 1
	reserve := func(ids uint64) {
		s.table.reserve(int(min(ids, uint64(f.Size())/leastRecord)))
	}
	err = errors.Join(
		loadMark(meta, floorKey, s.floor.Store),
		loadMark(meta, restoredKey, s.restored.Store),
		loadMark(meta, idsKey, reserve),
	)
	holds.floor, holds.restored = s.floor.Load(), s.restored.Load()
	if marked := max(holds.floor, holds.restored); err == nil && marked > last {
		// Who reads as of an index would wait for the store to get there.
		err = fmt.Errorf("%w: floor %d, restored %d, and the last index is %d", ErrCorrupt, holds.floor, holds.restored, last)
	}
	return meta, err
}

// formatOf returns the version of the format, and refuses one that is not known.
func formatOf(meta metaValues) (uint32, error) {
	v := meta.Get(formatKey)
	if len(v) != 4 {
		return 0, fmt.Errorf("%w: meta: format version of %d bytes", ErrCorrupt, len(v))
	}
	got := binary.BigEndian.Uint32(v)
	if got == 0 || got > formatVersion {
		return 0, fmt.Errorf("%w: the file has version %d, this package writes %d", ErrFormatVersion, got, formatVersion)
	}
	return got, nil
}

// loadMark hands the number under key over, if there is one.
func loadMark(meta metaValues, key []byte, to func(uint64)) error {
	switch v := meta.Get(key); len(v) {
	case 0:
		return nil
	case 8:
		to(binary.BigEndian.Uint64(v))
		return nil
	default:
		return fmt.Errorf("%w: %s of %d bytes", ErrCorrupt, key, len(v))
	}
}

// putMark puts the number under key, unless it is 0 and was so.
func putMark(meta *bbolt.Bucket, key []byte, n uint64) error {
	if n == 0 && meta.Get(key) == nil {
		return nil
	}
	return meta.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// putContents writes what the meta bucket says of the file as tx leaves it.
func putContents(tx *bbolt.Tx, c *contents) error {
	meta := tx.Bucket(metaBucket)
	return errors.Join(
		meta.Put(formatKey, binary.BigEndian.AppendUint32(nil, formatVersion)),
		index.Write(meta, c.last),
		meta.Put(sumKey, c.encodedIn(uint64(tx.ID()))),
	)
}
