package raftstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"allocstore/store"
)

// Names in a node's directory.
const (
	storeName      = "store.db"
	logName        = "log"
	metaName       = "snapshot.json"
	nextMetaName   = "snapshot.next.json" // of a snapshot that is being installed
	tempMetaName   = "snapshot.tmp"
	restoreDirName = "restore" // of an operator's restore
)

const metaVersion = 1

// A meta has raft's facts about the newest snapshot. The content of the snapshot is the store itself. The file
// has the checksum of the rest as its first line.
//
// Invariant: the store has durably applied Index before the file says so.
type meta struct {
	Version            int
	Index, Term        uint64 // the last entry that the log may lack
	Configuration      raft.Configuration
	ConfigurationIndex uint64
	Held               uint64 // AppliedIndex of the store: the log may end before it
}

func (m *meta) id() string { return fmt.Sprintf("%d-%d", m.Term, m.Index) }

// snapshot returns m as raft has it.
func (m *meta) snapshot(size int64) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: m.id(), Index: m.Index, Term: m.Term,
		Configuration: m.Configuration, ConfigurationIndex: m.ConfigurationIndex, Size: size,
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (m *meta) encode() ([]byte, error) {
	m.Version = metaVersion
	body, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return nil, err
	}
	return append(sumLine(body), body...), nil
}

func sumLine(body []byte) []byte { return fmt.Appendf(nil, "%08x\n", crc32.Checksum(body, castagnoli)) }

// decodeMeta decodes a file. Errors: store.ErrCorrupt, store.ErrFormatVersion.
func decodeMeta(data []byte) (*meta, error) {
	_, body, _ := bytes.Cut(data, []byte("\n"))
	if sum := sumLine(body); !bytes.HasPrefix(data, sum) {
		return nil, fmt.Errorf("%w: the checksum is not %s", store.ErrCorrupt, sum[:len(sum)-1])
	}
	m := new(meta)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	switch {
	case m.Version != metaVersion:
		return nil, fmt.Errorf("%w: version %d; this release knows version %d", store.ErrFormatVersion, m.Version, metaVersion)
	case m.Index == 0 || m.Term == 0 || m.ConfigurationIndex > m.Index:
		return nil, fmt.Errorf("%w: index %d, term %d, configuration of index %d", store.ErrCorrupt, m.Index, m.Term, m.ConfigurationIndex)
	}
	return m, nil
}

// readMeta returns the meta in a file, or the zero one if there is no file.
func readMeta(path string) (*meta, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(meta), nil
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeMeta(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// write makes m the content of the file dir/name, durably and in one step.
func (m *meta) write(dir, name string) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, tempMetaName)
	if err := writeSynced(temp, data); err != nil {
		return err
	}
	return rename(temp, filepath.Join(dir, name))
}

func writeSynced(path string, data []byte) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// rename renames a file within its directory, durably.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// removeSynced removes a file, durably, if it is there.
func removeSynced(path string) error {
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
