package main

import (
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"allocstore/schema"
)

// pebbleStore keeps allocations in Pebble and syncs every commit.
type pebbleStore struct {
	db *pebble.DB
}

var (
	_ durable = (*pebbleStore)(nil)
	_ mixer   = (*pebbleStore)(nil)
)

// errorLogger prints Pebble's errors and drops the rest of its log.
type errorLogger struct{}

func (errorLogger) Infof(string, ...any) {}

func (errorLogger) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "pebble: "+format+"\n", args...)
}

func (errorLogger) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "pebble: "+format+"\n", args...)
	os.Exit(1)
}

// newPebble creates a database in dir. The memtable has CockroachDB's size; with the
// default of 4 MB, flushes and compactions take most of the processor time from the
// writers. The cache holds all data that are read.
func newPebble(dir string) (*pebbleStore, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      errorLogger{},
		CacheSize:                   1 << 30,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
	})
	if err != nil {
		return nil, err
	}
	return &pebbleStore{db: db}, nil
}

func (p *pebbleStore) update(a *schema.Allocation) error {
	kv := pairs.Get().(*pair)
	defer pairs.Put(kv)
	if err := kv.encodeClient(a); err != nil {
		return err
	}
	return p.db.Set(kv.key, kv.value, pebble.Sync)
}

func (p *pebbleStore) client(id string) (*schema.Allocation, error) {
	value, err := p.value(id, clientPart)
	if err != nil {
		return nil, err
	}
	return clientIn(id, value)
}

// get copies both parts without decoding them.
func (p *pebbleStore) get(id string, got *found) error {
	var room [17]byte
	key, err := partKey(room[:0], id, schedulerPart)
	if err != nil {
		return err
	}
	got.raw = got.raw[:0]
	for _, part := range []byte{schedulerPart, clientPart} {
		key[len(key)-1] = part
		value, closer, err := p.db.Get(key)
		if err != nil {
			return err
		}
		got.raw = append(got.raw, value...)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	got.id = id
	return nil
}

func (p *pebbleStore) touch(a *schema.Allocation) error { return p.update(a) }

// value returns a copy of one part of an allocation.
func (p *pebbleStore) value(id string, part byte) ([]byte, error) {
	key, err := partKey(nil, id, part)
	if err != nil {
		return nil, err
	}
	value, closer, err := p.db.Get(key)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), value...), closer.Close()
}

func (p *pebbleStore) place(batch []*schema.Allocation) error {
	return p.placeBy(putBatch, batch)
}

// placeBy commits the pairs that put writes for the batch.
func (p *pebbleStore) placeBy(
	put func([]*schema.Allocation, func(key, value []byte) error) error, batch []*schema.Allocation,
) error {
	b := p.db.NewBatch()
	defer b.Close()
	if err := put(batch, func(key, value []byte) error { return b.Set(key, value, nil) }); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// load places everything, then flushes and compacts.
func (p *pebbleStore) load(d *data) error { return p.loadBy(p, d) }

// loadBy is load with another way to place a batch.
func (p *pebbleStore) loadBy(by placer, d *data) error {
	if err := d.load(by); err != nil {
		return err
	}
	if err := p.db.Flush(); err != nil {
		return err
	}
	return p.quiesce()
}

// quiesce waits until no compaction runs, so that this store's compactions do not run
// during another peer's turn. It gives up after a while.
func (p *pebbleStore) quiesce() error {
	const patience = 5 * time.Second
	for start := time.Now(); time.Since(start) < patience; time.Sleep(5 * time.Millisecond) {
		if m := p.db.Metrics(); m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0 {
			return nil
		}
	}
	return nil
}

// bytes returns the disk space used, without the write-ahead log.
func (p *pebbleStore) bytes() (int64, error) {
	m := p.db.Metrics()
	return int64(m.DiskSpaceUsage() - m.WAL.PhysicalSize), nil
}

func (p *pebbleStore) close() error { return p.db.Close() }

// pebbleWhole is pebbleStore with updates that rewrite the whole allocation, as a store
// with one value per allocation does: it reads the scheduler's part and writes it again
// with the client's.
type pebbleWhole struct {
	*pebbleStore
}

// wholePart is the part of a key that holds the whole allocation.
const wholePart = 'w'

func (p pebbleWhole) update(a *schema.Allocation) error {
	kv := pairs.Get().(*pair)
	defer pairs.Put(kv)
	var err error
	if kv.key, err = partKey(kv.key[:0], a.ID, schedulerPart); err != nil {
		return err
	}
	scheduler, closer, err := p.db.Get(kv.key)
	if err != nil {
		return err
	}
	kv.value = codec.AppendClient(append(kv.value[:0], scheduler...), a)
	if err := closer.Close(); err != nil {
		return err
	}
	kv.key[len(kv.key)-1] = wholePart
	return p.db.Set(kv.key, kv.value, pebble.Sync)
}

// client decodes the client's part, which follows the scheduler's.
func (p pebbleWhole) client(id string) (*schema.Allocation, error) {
	scheduler, err := p.value(id, schedulerPart)
	if err != nil {
		return nil, err
	}
	whole, err := p.value(id, wholePart)
	if err != nil {
		return nil, err
	}
	return clientIn(id, whole[len(scheduler):])
}

// pebbleLists is pebbleStore with the lists that allocstore keeps: an empty value for
// each allocation under its node, its job and its evaluation, in the batch that places it.
type pebbleLists struct {
	*pebbleStore
}

func newPebbleLists(dir string) (pebbleLists, error) {
	p, err := newPebble(dir)
	return pebbleLists{p}, err
}

func (p pebbleLists) place(batch []*schema.Allocation) error { return p.placeBy(putListed, batch) }

func (p pebbleLists) load(d *data) error { return p.loadBy(p, d) }
