package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/raft"

	"allocstore/schema"
)

// memFSM keeps allocations as a scheduler's state store does: a table of pointers, indexed by UUID, node, job and
// evaluation, and a table with the index of the last change. All entries that raft gives at once are one transaction.
type memFSM struct {
	db      atomic.Pointer[memdb.MemDB] // another one after a restore
	applied atomic.Uint64
}

var _ raft.BatchingFSM = (*memFSM)(nil)

const (
	allocTable = "allocs"
	indexTable = "index"
)

// indexEntry is the row of indexTable, which a scheduler's blocking queries watch.
type indexEntry struct {
	Key   string
	Value uint64
}

func newMemFSM() (*memFSM, error) {
	f := new(memFSM)
	db, err := newMemDB()
	f.db.Store(db)
	return f, err
}

func newMemDB() (*memdb.MemDB, error) {
	text := func(name, field string) *memdb.IndexSchema {
		return &memdb.IndexSchema{Name: name, Indexer: &memdb.StringFieldIndex{Field: field}}
	}
	return memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{
		allocTable: {
			Name: allocTable,
			Indexes: map[string]*memdb.IndexSchema{
				"id":   {Name: "id", Unique: true, Indexer: &memdb.UUIDFieldIndex{Field: "ID"}},
				"node": text("node", "NodeID"),
				"job":  text("job", "JobID"),
				"eval": text("eval", "EvalID"),
			},
		},
		indexTable: {
			Name: indexTable,
			Indexes: map[string]*memdb.IndexSchema{
				"id": {Name: "id", Unique: true, Indexer: &memdb.StringFieldIndex{Field: "Key"}},
			},
		},
	}})
}

var errMissing = errors.New("allocation is missing")

func (f *memFSM) get(id string) (*schema.Allocation, error) {
	return stored(f.db.Load().Txn(false), id)
}

func stored(txn *memdb.Txn, id string) (*schema.Allocation, error) {
	row, err := txn.First(allocTable, "id", id)
	if err != nil {
		return nil, err
	}
	a, ok := row.(*schema.Allocation)
	if !ok {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return a, nil
}

// Apply applies one entry.
func (f *memFSM) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies entries in one transaction. An answer is nil or an error.
func (f *memFSM) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	txn := f.db.Load().Txn(true)
	defer txn.Abort()
	for i, log := range logs {
		if log.Type != raft.LogCommand {
			continue
		}
		if err := applyEntry(txn, log.Index, log.Data); err != nil {
			answers[i] = err
		}
	}
	last := logs[len(logs)-1].Index
	if err := txn.Insert(indexTable, &indexEntry{allocTable, last}); err != nil {
		answers[0] = err
	}
	txn.Commit()
	f.applied.Store(last)
	return answers
}

// Kinds of entries. The first byte is the kind.
const (
	updateEntry = iota + 1 // one allocation's client update
	placeEntry             // a job, and allocations of it
)

var codec schema.Codec

// text returns b as a string without copying it. The codec keeps copies of the parts.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// encodeUpdate encodes a client update as MessagePack, by our codec, which uses no reflection.
func encodeUpdate(a *schema.Allocation) []byte {
	return codec.AppendAllocation(append(make([]byte, 0, 512), updateEntry), a)
}

// encodePlacement encodes the allocations of one job.
func encodePlacement(batch []*schema.Allocation) []byte {
	b := appendSized([]byte{placeEntry}, codec.AppendJob(nil, batch[0].Job))
	for _, a := range batch {
		b = appendSized(b, bareBytes(a))
	}
	return b
}

// bareBytes encodes an allocation without its job.
func bareBytes(a *schema.Allocation) []byte {
	bare := *a
	bare.Job = nil
	return codec.AppendAllocation(nil, &bare)
}

func appendSized(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func applyEntry(txn *memdb.Txn, index uint64, entry []byte) error {
	if len(entry) == 0 {
		return errEntry
	}
	switch entry[0] {
	case updateEntry:
		return applyUpdate(txn, index, entry[1:])
	case placeEntry:
		return applyPlacement(txn, index, entry[1:])
	}
	return errEntry
}

var errEntry = errors.New("an entry of an unknown kind")

// applyUpdate replaces a row by a copy with the client's update.
func applyUpdate(txn *memdb.Txn, index uint64, entry []byte) error {
	sent, err := codec.DecodeAllocation(text(entry))
	if err != nil {
		return err
	}
	was, err := stored(txn, sent.ID)
	if err != nil {
		return err
	}
	a := *was
	a.ClientStatus, a.ClientDescription, a.TaskStates = sent.ClientStatus, sent.ClientDescription, sent.TaskStates
	a.ModifyIndex = index
	return txn.Insert(allocTable, &a)
}

func applyPlacement(txn *memdb.Txn, index uint64, entry []byte) error {
	var job *schema.Job
	for len(entry) > 0 {
		size, n := binary.Uvarint(entry)
		if n <= 0 || size > uint64(len(entry)-n) {
			return io.ErrUnexpectedEOF
		}
		part := text(entry[n : n+int(size)])
		entry = entry[n+int(size):]
		if job == nil {
			var err error
			if job, err = codec.DecodeJob(part); err != nil {
				return err
			}
			continue
		}
		a, err := codec.DecodeAllocation(part)
		if err != nil {
			return err
		}
		a.Job, a.CreateIndex, a.ModifyIndex, a.AllocModifyIndex = job, index, index, index
		if err := txn.Insert(allocTable, a); err != nil {
			return err
		}
	}
	return nil
}

// digest returns the sum of the hashes of all rows, and of the last index.
func (f *memFSM) digest() (sum uint64, err error) {
	rows, err := f.db.Load().Txn(false).Get(allocTable, "id")
	if err != nil {
		return 0, err
	}
	for row := rows.Next(); row != nil; row = rows.Next() {
		h := fnv.New64a()
		_, _ = h.Write(bareBytes(row.(*schema.Allocation)))
		sum += h.Sum64()
	}
	return sum, nil
}

// Snapshot returns a snapshot, which holds a read transaction.
func (f *memFSM) Snapshot() (raft.FSMSnapshot, error) {
	return &memSnapshot{f.db.Load().Txn(false), f.applied.Load()}, nil
}

// A memSnapshot writes the jobs that its allocations share once each, by a number.
type memSnapshot struct {
	txn     *memdb.Txn
	applied uint64
}

// Persist writes the last index, and then all rows: the number of the job, the job if it is a new one, and the
// allocation without it.
func (s *memSnapshot) Persist(sink raft.SnapshotSink) error {
	w := bufio.NewWriterSize(sink, 1<<20)
	if err := s.write(w); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s *memSnapshot) write(w *bufio.Writer) error {
	rows, err := s.txn.Get(allocTable, "id")
	if err != nil {
		return err
	}
	jobs := make(map[*schema.Job]uint64)
	b := binary.AppendUvarint(nil, s.applied)
	for row := rows.Next(); row != nil; row = rows.Next() {
		a := row.(*schema.Allocation)
		number, known := jobs[a.Job]
		if !known {
			number = uint64(len(jobs))
			jobs[a.Job] = number
		}
		b = binary.AppendUvarint(b, number)
		if !known {
			b = appendSized(b, codec.AppendJob(nil, a.Job))
		}
		b = appendSized(b, bareBytes(a))
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

// Release does nothing: the transaction is garbage.
func (s *memSnapshot) Release() {}

// Restore reads a snapshot into a new database, which then takes the place of the old one.
func (f *memFSM) Restore(from io.ReadCloser) error {
	db, err := newMemDB()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(from, 1<<20)
	applied, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	txn := db.Txn(true)
	defer txn.Abort()
	if err := restoreRows(txn, r); err != nil {
		return err
	}
	if err := txn.Insert(indexTable, &indexEntry{allocTable, applied}); err != nil {
		return err
	}
	txn.Commit()
	f.db.Store(db)
	f.applied.Store(applied)
	return nil
}

func restoreRows(txn *memdb.Txn, r *bufio.Reader) error {
	var jobs []*schema.Job
	var part []byte
	for {
		number, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if number == uint64(len(jobs)) {
			if part, err = readSized(r, part); err != nil {
				return err
			}
			job, err := codec.DecodeJob(text(part))
			if err != nil {
				return err
			}
			jobs = append(jobs, job)
		}
		if part, err = readSized(r, part); err != nil {
			return err
		}
		a, err := codec.DecodeAllocation(text(part))
		if err != nil {
			return err
		}
		if number >= uint64(len(jobs)) {
			return errEntry
		}
		a.Job = jobs[number]
		if err := txn.Insert(allocTable, a); err != nil {
			return err
		}
	}
}

// readSized reads the next part into the memory of b, if it is large enough.
func readSized(r *bufio.Reader, b []byte) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if size > 64<<20 {
		return nil, fmt.Errorf("a part of %d bytes", size)
	}
	if uint64(cap(b)) < size {
		b = make([]byte, size)
	}
	b = b[:size]
	_, err = io.ReadFull(r, b)
	return b, err
}
