package raftstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"

	"allocstore/store"
	"allocstore/store/internal/boltfile"
)

// loadMeta opens the metadata of a log, and returns which files the log has. bbolt maps the file, and trusts it: of a damaged
// one it panics, or ends the process. So it is read by plain reads before. Errors: store.ErrCorrupt.
func loadMeta(dir string, meta types.MetaStore) (types.PersistentState, error) {
	path := filepath.Join(dir, metadb.FileName)
	if err := checkBolt(path); err != nil {
		return types.PersistentState{}, fmt.Errorf("%s: %w; %s", path, err, anew)
	}
	if err := writeAgain(path); err != nil {
		return types.PersistentState{}, err
	}
	state, err := meta.Load(dir)
	if errors.Is(err, types.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	if err == nil {
		err = checkSegments(&state)
	}
	if err != nil {
		return types.PersistentState{}, fmt.Errorf("%s: %w; %s", path, err, anew)
	}
	return state, nil
}

// checkBolt verifies the structure of the metadata, if there is a file.
func checkBolt(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(walkBolt(f), f.Close())
}

func walkBolt(f *os.File) error {
	b, err := boltfile.Newest(f)
	if err != nil {
		return err
	}
	buckets, err := b.Buckets()
	if err != nil {
		return err
	}
	for _, name := range []string{metadb.MetaBucket, metadb.StableBucket} {
		if _, ok := buckets[name]; !ok {
			return fmt.Errorf("%w: no bucket %q", store.ErrCorrupt, name)
		}
	}
	for _, bucket := range buckets {
		if err := b.Walk(bucket, func([]byte, []byte) error { return nil }, nil); err != nil {
			return err
		}
	}
	return b.Freelist()
}

// checkSegments returns an error unless the files follow each other, and all but the last are full.
func checkSegments(state *types.PersistentState) error {
	ids := make(map[uint64]bool)
	for i := range state.Segments {
		s, full := &state.Segments[i], i < len(state.Segments)-1
		ok := s.BaseIndex > 0 && s.MinIndex >= s.BaseIndex && s.ID < state.NextSegmentID && !ids[s.ID] && s.SealTime.IsZero() == !full
		if ids[s.ID] = true; full {
			ok = ok && s.MinIndex <= s.MaxIndex && state.Segments[i+1].BaseIndex == s.MaxIndex+1
		}
		if !ok {
			return fmt.Errorf("%w: file %d of %d of the log: ID %d, entries %d to %d, from %d on", store.ErrCorrupt, i+1, len(state.Segments), s.ID, s.BaseIndex, s.MaxIndex, s.MinIndex)
		}
	}
	return nil
}
