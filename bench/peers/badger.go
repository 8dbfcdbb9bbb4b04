package main

import (
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"allocstore/schema"
)

// badgerStore keeps allocations in Badger and syncs every commit.
type badgerStore struct {
	db *badger.DB
}

var _ durable = (*badgerStore)(nil)

// badgerOptions returns DefaultOptions, which Badger's documentation calls "a list of
// recommended options for good performance" (pkg.go.dev/github.com/dgraph-io/badger/v4),
// with four changes. SyncWrites is on, since Badger does not wait for the disk
// otherwise. DetectConflicts is off: it serves transactions that read, and without it
// Badger "can process transactions at a higher rate". Metrics and the log are off.
func badgerOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithLogger(nil)
}

func newBadger(dir string) (*badgerStore, error) {
	db, err := badger.Open(badgerOptions(dir))
	if err != nil {
		return nil, err
	}
	return &badgerStore{db: db}, nil
}

// update commits one write in a transaction of its own, as in "Read-write transactions"
// of docs/quickstart.md. Badger writes concurrent transactions as one group, but syncs
// once for each of them.
func (b *badgerStore) update(a *schema.Allocation) error {
	kv := pairs.Get().(*pair)
	defer pairs.Put(kv)
	if err := kv.encodeClient(a); err != nil {
		return err
	}
	return b.db.Update(func(txn *badger.Txn) error { return txn.Set(kv.key, kv.value) })
}

func (b *badgerStore) client(id string) (a *schema.Allocation, err error) {
	key, err := partKey(nil, id, clientPart)
	if err != nil {
		return nil, err
	}
	err = b.read(key, func(value []byte) error {
		a, err = clientIn(id, value)
		return err
	})
	return a, err
}

// read calls do with the value of key. The value is valid until do returns.
func (b *badgerStore) read(key []byte, do func(value []byte) error) error {
	return b.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		return item.Value(do)
	})
}

func (b *badgerStore) place(batch []*schema.Allocation) error {
	return b.db.Update(func(txn *badger.Txn) error {
		return putBatch(batch, func(key, value []byte) error {
			return txn.Set(append([]byte(nil), key...), append([]byte(nil), value...))
		})
	})
}

func (b *badgerStore) load(d *data) error { return d.load(b) }

// quiesce does nothing, since Badger does not report its compactions.
func (b *badgerStore) quiesce() error { return nil }

// bytes returns the size of the tables, without the write-ahead log.
func (b *badgerStore) bytes() (int64, error) {
	var sum int64
	for _, t := range b.db.Tables() {
		sum += int64(t.OnDiskSize)
	}
	return sum, nil
}

func (b *badgerStore) close() error { return b.db.Close() }

// badgerWhole is a read-only database with each allocation as one value.
type badgerWhole struct {
	*badgerStore
	decode bool // decode the value, as a store would
}

var _ getter = badgerWhole{}

// newBadgerWhole fills a database in dir and reopens it, so that all data are in
// tables. Compression and the block cache are off: the tables are mapped, and "if
// compression and encryption both are disabled, adding a cache will lead to unnecessary
// overhead" (Options.WithBlockCacheSize).
func newBadgerWhole(dir string, d *data) (*badgerStore, error) {
	opts := badgerOptions(dir).WithCompression(options.None).WithBlockCacheSize(0)
	db, err := badger.Open(opts)
	if err != nil {
		return nil, err
	}
	if err := fillWhole(db, d); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	db, err = badger.Open(opts)
	return &badgerStore{db: db}, err
}

// fillWhole uses a WriteBatch, as docs/troubleshooting.md recommends for bulk writes.
func fillWhole(db *badger.DB, d *data) error {
	wb := db.NewWriteBatch()
	defer wb.Cancel()
	for k := range d.jobs() {
		for _, a := range d.batch(k) {
			id, err := schema.ParseID(a.ID)
			if err != nil {
				return err
			}
			if err := wb.Set(id[:], wholeOf(a)); err != nil {
				return err
			}
		}
	}
	return wb.Flush()
}

// get copies the value, which is valid only within the transaction.
func (b badgerWhole) get(id string, got *found) error {
	key, err := schema.ParseID(id)
	if err != nil {
		return err
	}
	return b.read(key[:], func(value []byte) (err error) {
		if b.decode {
			got.alloc, err = wholeIn(value)
			return err
		}
		got.raw = append(got.raw[:0], value...)
		return nil
	})
}
