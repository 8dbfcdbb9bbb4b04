package main

import (
	"os"
	"time"

	"go.etcd.io/bbolt"

	"allocstore/schema"
	"allocstore/store"
)

var boltBucket = []byte("allocations")

// boltStore keeps allocations in bare bbolt, by ID.
type boltStore struct {
	db *bbolt.DB
}

var _ durable = (*boltStore)(nil)

// newBolt opens a database with allocstore's settings.
func newBolt(path string) (*boltStore, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: store.DefaultInitialMmapBytes,
		NoStatistics:    true,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
	return &boltStore{db: db}, err
}

// update commits one write in a transaction of its own.
func (b *boltStore) update(a *schema.Allocation) error { return put(a, b.db.Update) }

// put writes the client's part of a in a transaction that commit runs.
func put(a *schema.Allocation, commit func(func(*bbolt.Tx) error) error) error {
	kv := pairs.Get().(*pair)
	defer pairs.Put(kv)
	if err := kv.encodeClient(a); err != nil {
		return err
	}
	return commit(func(tx *bbolt.Tx) error { return tx.Bucket(boltBucket).Put(kv.key, kv.value) })
}

func (b *boltStore) client(id string) (a *schema.Allocation, err error) {
	key, err := partKey(nil, id, clientPart)
	if err != nil {
		return nil, err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		a, err = clientIn(id, tx.Bucket(boltBucket).Get(key))
		return err
	})
	return a, err
}

func (b *boltStore) place(batch []*schema.Allocation) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return putAll(tx, batch) })
}

// putAll copies keys and values, since bbolt keeps them until the commit.
func putAll(tx *bbolt.Tx, batch []*schema.Allocation) error {
	bucket := tx.Bucket(boltBucket)
	return putBatch(batch, func(key, value []byte) error {
		return bucket.Put(append([]byte(nil), key...), append([]byte(nil), value...))
	})
}

// load places everything with one sync at the end, since by ID every batch rewrites a
// large part of the file.
func (b *boltStore) load(d *data) error {
	b.db.NoSync = true
	err := d.load(b)
	b.db.NoSync = false
	if err != nil {
		return err
	}
	return b.db.Sync()
}

func (b *boltStore) quiesce() error { return nil }

func (b *boltStore) bytes() (int64, error) {
	info, err := os.Stat(b.db.Path())
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (b *boltStore) close() error { return b.db.Close() }

// boltDelay is bbolt's default MaxBatchDelay.
const boltDelay = 10 * time.Millisecond

// boltBatch is boltStore with updates through DB.Batch, bbolt's own group commit.
type boltBatch struct {
	*boltStore
	delay time.Duration // MaxBatchDelay
}

// prepare sets the delay, since both variants use one database.
func (b boltBatch) prepare() { b.db.MaxBatchDelay = b.delay }

func (b boltBatch) update(a *schema.Allocation) error { return put(a, b.db.Batch) }

// boltWhole is a read-only database with each allocation as one value.
type boltWhole struct {
	*boltStore
	decode bool // decode the value, as a store would
}

var _ getter = boltWhole{}

// loadWhole writes the allocations, one job a transaction.
func loadWhole(b *boltStore, d *data) error {
	b.db.NoSync = true
	defer func() { b.db.NoSync = false }()
	for k := range d.jobs() {
		err := b.db.Update(func(tx *bbolt.Tx) error { return putWhole(tx, d.batch(k)) })
		if err != nil {
			return err
		}
	}
	return b.db.Sync()
}

func putWhole(tx *bbolt.Tx, batch []*schema.Allocation) error {
	for _, a := range batch {
		id, err := schema.ParseID(a.ID)
		if err != nil {
			return err
		}
		if err := tx.Bucket(boltBucket).Put(id[:], wholeOf(a)); err != nil {
			return err
		}
	}
	return nil
}

// get copies the value, which is valid only within the transaction.
func (b boltWhole) get(id string, got *found) error {
	key, err := schema.ParseID(id)
	if err != nil {
		return err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(boltBucket).Get(key[:])
		if b.decode {
			got.alloc, err = wholeIn(value)
			return err
		}
		got.raw = append(got.raw[:0], value...)
		return nil
	})
	return err
}
