package boltfile_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"allocstore/store/internal/boltfile"
	"allocstore/store/internal/damagetest"
)

var le = binary.LittleEndian

var oracles = flag.Int("oracles", 16, "number of random databases of TestWalkIsForEach")

// content has the values of a database, by bucket and key.
type content map[string]map[string]string

// A random writes random databases with buckets of many kinds: see write.
type random struct {
	*rand.Rand
	content content
	keys    int // the largest number of keys
	most    int // the length of most values
}

func newRandom(seed uint64) *random {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 7)), content: content{}}
	r.keys = 1 << (2 + r.IntN(10))
	r.most = 1 << r.IntN(9)
	return r
}

func (r *random) options() *bbolt.Options {
	return &bbolt.Options{
		NoSync: true, NoGrowSync: true, NoFreelistSync: r.IntN(2) == 0,
		FreelistType: []bbolt.FreelistType{bbolt.FreelistMapType, bbolt.FreelistArrayType}[r.IntN(2)],
	}
}

func (r *random) key() string {
	n := r.IntN(r.keys)
	if n%3 == 0 {
		return fmt.Sprintf("%0*d", 1+n%40, n) // of any length
	}
	return fmt.Sprintf("%08x", n)
}

func (r *random) value() string {
	n := r.IntN(r.most + 1)
	switch r.IntN(200) {
	case 0:
		n = r.IntN(100 << 10)
	case 1, 2, 3:
		n = r.IntN(5000)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// write makes one transaction. It mostly writes a few keys; now and then it fills, empties,
// creates or deletes a bucket.
func (r *random) write(tx *bbolt.Tx) error {
	names := slices.Sorted(maps.Keys(r.content))
	if len(names) < 2 || r.IntN(12) == 0 {
		name := fmt.Sprintf("bucket %d", r.IntN(60))
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
		if r.content[name] == nil {
			r.content[name] = map[string]string{}
		}
		return nil
	}
	name := names[r.IntN(len(names))]
	b := tx.Bucket([]byte(name))
	switch r.IntN(40) {
	case 0:
		delete(r.content, name)
		return tx.DeleteBucket([]byte(name))
	case 1, 2, 3, 4:
		return r.remove(b, r.content[name])
	}
	b.FillPercent = []float64{0.5, 0.5, 0.1, 1}[r.IntN(4)]
	writes := 1 + r.IntN(8)
	if r.IntN(6) == 0 {
		writes = r.IntN(r.keys)
	}
	for range writes {
		k, v := r.key(), r.value()
		if err := b.Put([]byte(k), []byte(v)); err != nil {
			return err
		}
		r.content[name][k] = v
	}
	return nil
}

// remove deletes some keys, a range of them, or all.
func (r *random) remove(b *bbolt.Bucket, from map[string]string) error {
	keys := slices.Sorted(maps.Keys(from))
	if len(keys) == 0 {
		return nil
	}
	switch r.IntN(4) {
	case 0:
	case 1:
		keys = keys[:r.IntN(len(keys))]
	case 2:
		at := r.IntN(len(keys))
		keys = keys[at:min(len(keys), at+1+r.IntN(50))]
	case 3:
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		keys = keys[:r.IntN(len(keys))]
	}
	for _, k := range keys {
		if err := b.Delete([]byte(k)); err != nil {
			return err
		}
		delete(from, k)
	}
	return nil
}

// TestWalkIsForEach makes random databases with bbolt and compares the entries of a walk, and
// their order, with those of bbolt's own cursor.
func TestWalkIsForEach(t *testing.T) {
	t.Parallel()
	dir := damagetest.Dir(t)
	for seed := range uint64(*oracles) {
		path := filepath.Join(dir, fmt.Sprint(seed))
		if err := oracle(path, newRandom(seed)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		require.NoError(t, os.Remove(path))
	}
}

func oracle(path string, r *random) error {
	pageSize := 1024 << r.IntN(7)
	for range 1 + r.IntN(5) {
		o := r.options()
		o.PageSize = pageSize
		db, err := bbolt.Open(path, 0o600, o)
		if err != nil {
			return err
		}
		for range 1 + r.IntN(12) {
			for range 1 + r.IntN(20) {
				if err := db.Update(r.write); err != nil {
					return err
				}
			}
			if err := compare(path, db, r.content); err != nil {
				return err
			}
		}
		if err := db.Close(); err != nil {
			return err
		}
	}
	return nil
}

// compare walks the file, with and without retaining buffers, and compares both with bbolt's
// cursor, and the cursor with the written content.
func compare(path string, db *bbolt.DB, want content) error {
	theirs, err := forEach(db)
	if err != nil {
		return err
	}
	for _, retain := range []bool{false, true} {
		ours, err := walk(path, retain)
		if err != nil {
			return err
		}
		if !slices.Equal(ours, theirs) {
			return fmt.Errorf("the walk has %d entries, bbolt %d, and they differ", len(ours), len(theirs))
		}
	}
	if !same(contentOf(theirs), want) {
		return errors.New("the content differs from what was written")
	}
	return nil
}

// An entry is a key with its value, or a bucket without a key.
type entry struct{ bucket, k, v string }

func contentOf(all []entry) content {
	c := content{}
	for _, e := range all {
		if e.k == "" {
			c[e.bucket] = map[string]string{}
		} else {
			c[e.bucket][e.k] = e.v
		}
	}
	return c
}

func same(a, b content) bool { return maps.EqualFunc(a, b, maps.Equal[map[string]string]) }

// forEach returns the entries of a database by bbolt.
func forEach(db *bbolt.DB) (all []entry, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			all = append(all, entry{bucket: string(name)})
			return b.ForEach(func(k, v []byte) error {
				all = append(all, entry{string(name), string(k), string(v)})
				return nil
			})
		})
	})
	return all, err
}

// walk returns the entries of a file by boltfile. Like a store it reads the whole file.
func walk(path string, retain bool) ([]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := boltfile.Newest(f)
	if err != nil {
		return nil, err
	}
	buckets, err := file.Buckets()
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(buckets)) {
		all = append(all, entry{bucket: name})
		r := &retainer{bucket: name, into: &all}
		visit, turn := r.copy, (func([]byte) ([]byte, error))(nil)
		if retain {
			visit, turn = r.visit, r.turn
		}
		if err := file.Walk(buckets[name], visit, turn); err != nil {
			return nil, err
		}
		if err := r.finish(); err != nil {
			return nil, err
		}
	}
	return all, file.Freelist()
}

// A retainer visits a walk, and like a store's scan gives the walk several buffers in turn. The
// keys and values in a buffer must not change until the buffer is given back.
type retainer struct {
	bucket string
	into   *[]entry

	current retained
	queue   []retained
}

// retained has the entries visited between two reads.
type retained struct {
	buf    []byte
	k, v   [][]byte // alias buf
	copies []entry
}

const retainedBuffers = 3

func (r *retainer) copy(k, v []byte) error {
	*r.into = append(*r.into, entry{r.bucket, string(k), string(v)})
	return nil
}

func (r *retainer) visit(k, v []byte) error {
	c := &r.current
	c.k, c.v, c.copies = append(c.k, k), append(c.v, v), append(c.copies, entry{r.bucket, string(k), string(v)})
	return nil
}

func (r *retainer) turn(used []byte) ([]byte, error) {
	r.current.buf = used
	r.queue = append(r.queue, r.current)
	r.current = retained{}
	if len(r.queue) < retainedBuffers {
		return nil, nil
	}
	next := r.queue[0]
	r.queue = r.queue[1:]
	if err := r.flush(&next); err != nil {
		return nil, err
	}
	for i := range next.buf {
		next.buf[i] = 0xAA
	}
	return next.buf, nil
}

// flush checks the retained entries and passes them on.
func (r *retainer) flush(c *retained) error {
	for i, e := range c.copies {
		if string(c.k[i]) != e.k || string(c.v[i]) != e.v {
			return fmt.Errorf("key %q or its value has changed in a buffer that was not given back", e.k)
		}
	}
	*r.into = append(*r.into, c.copies...)
	return nil
}

func (r *retainer) finish() error {
	for _, c := range append(r.queue, r.current) {
		if err := r.flush(&c); err != nil {
			return err
		}
	}
	return nil
}
