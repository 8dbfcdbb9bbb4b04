package boltfile_test

import (
	"bytes"
	"hash/fnv"
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

// A crafted file is a small database with pages of 1 kB, for tests to change.
type crafted struct {
	bytes []byte
	meta  []byte // the newest meta page
}

const craftedPage = 1024

// craft makes a database with a bucket of several levels, an inline one and an empty one.
func craft(t testing.TB) *crafted {
	path := filepath.Join(damagetest.Dir(t), "crafted")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: craftedPage, NoSync: true, NoFreelistSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"empty", "inline", "tree"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		for i := range 1500 {
			if err := tx.Bucket([]byte("tree")).Put([]byte{'a' + byte(i/676), 'a' + byte(i/26%26), 'a' + byte(i%26)}, []byte("some value")); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("inline")).Put([]byte("key"), []byte("value"))
	}))
	require.NoError(t, db.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	c := &crafted{bytes: b}
	if c.meta = c.page(0); le.Uint64(c.page(1)[64:]) > le.Uint64(c.meta[64:]) {
		c.meta = c.page(1)
	}
	return c
}

func (c *crafted) page(i uint64) []byte { return c.bytes[i*craftedPage : (i+1)*craftedPage] }

// element returns the header of the element i of p, and the bytes from its key on.
func (c *crafted) element(p []byte, i, posField int) (header, key []byte) {
	header = p[16+16*i:]
	return header, header[le.Uint32(header[posField:]):]
}

func (c *crafted) rootPage() []byte { return c.page(le.Uint64(c.meta[32:])) }

// inline returns the header and the page of the inline bucket.
func (c *crafted) inline() []byte {
	_, key := c.element(c.rootPage(), 1, 4)
	return key[len("inline"):]
}

// tree returns the root of the large bucket, a branch below it, and a leaf below that.
func (c *crafted) tree() (root, branch, leaf []byte) {
	_, key := c.element(c.rootPage(), 2, 4)
	root = c.page(le.Uint64(key[len("tree"):]))
	e, _ := c.element(root, 1, 0)
	branch = c.page(le.Uint64(e[8:]))
	e, _ = c.element(branch, 1, 0)
	return root, branch, c.page(le.Uint64(e[8:]))
}

// sign corrects the checksum of a meta page.
func sign(meta []byte) {
	sum := fnv.New64a()
	sum.Write(meta[16:72])
	le.PutUint64(meta[72:], sum.Sum64())
}

// TestCraftedFiles has files that look plausible byte by byte, but that bbolt would not have
// written. Most of them pass bbolt's own check.
func TestCraftedFiles(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *crafted){
		"inline page with a number":   func(c *crafted) { le.PutUint64(c.inline()[16:], 3) },
		"inline page with overflow":   func(c *crafted) { le.PutUint32(c.inline()[16+12:], 1) },
		"inline page that is no leaf": func(c *crafted) { c.inline()[16+8] = 1 },
		"key of no length": func(c *crafted) {
			_, _, leaf := c.tree()
			e, _ := c.element(leaf, 1, 4)
			le.PutUint32(e[8:], 0)
			le.PutUint32(e[12:], le.Uint32(e[12:])+3)
		},
		"unknown flag": func(c *crafted) {
			_, _, leaf := c.tree()
			leaf[16] |= 2
		},
		"bucket within a bucket": func(c *crafted) {
			_, _, leaf := c.tree()
			leaf[16] |= 1
		},
		"element less": func(c *crafted) {
			_, _, leaf := c.tree()
			le.PutUint16(leaf[10:], le.Uint16(leaf[10:])-1)
		},
		"child less": func(c *crafted) {
			_, branch, _ := c.tree()
			le.PutUint16(branch[10:], le.Uint16(branch[10:])-1)
		},
		"branch with one child":     func(c *crafted) { _, branch, _ := c.tree(); repack(branch, 1) },
		"leaf without elements":     func(c *crafted) { _, _, leaf := c.tree(); repack(leaf, 0) },
		"two elements in one place": shareBytes,
		"separator below the child's first key": func(c *crafted) {
			_, branch, _ := c.tree()
			_, key := c.element(branch, 1, 0)
			key[2]--
		},
		"first separator below the child's first key": func(c *crafted) {
			root, _, _ := c.tree()
			_, key := c.element(root, 0, 0)
			key[1]--
		},
		"child that is its parent": func(c *crafted) {
			_, branch, _ := c.tree()
			e, _ := c.element(branch, 1, 0)
			copy(e[8:16], branch[:8])
		},
		"child that is a meta page": func(c *crafted) {
			_, branch, _ := c.tree()
			e, _ := c.element(branch, 1, 0)
			le.PutUint64(e[8:], 1)
		},
		"root that is a key": func(c *crafted) { c.rootPage()[16] = 0 },
		"2^40 pages of 16 MB": func(c *crafted) {
			c.bytes = append(c.bytes, make([]byte, 33<<20-len(c.bytes))...)
			c.meta = c.page(0)
			le.PutUint32(c.meta[24:], 16<<20)
			le.PutUint64(c.meta[56:], 1<<40)
			le.PutUint64(c.meta[64:], 1<<20)
			sign(c.meta)
		},
		"pages of no size":        func(c *crafted) { le.PutUint32(c.page(0)[24:], 0); sign(c.page(0)) },
		"metas of two page sizes": func(c *crafted) { le.PutUint32(c.meta[24:], 4096) },
		"pages beyond the file":   func(c *crafted) { le.PutUint64(c.meta[56:], uint64(len(c.bytes)/craftedPage)+1) },
		"no pages":                func(c *crafted) { le.PutUint64(c.meta[56:], 0) },
		"the last transaction":    func(c *crafted) { le.PutUint64(c.meta[64:], 1<<64-1) },
		"freelist in a tree":      func(c *crafted) { copy(c.meta[48:56], c.rootPage()[:8]) },
		"freelist that is a meta": func(c *crafted) { le.PutUint64(c.meta[48:], 0) },
		"database without a root": func(c *crafted) { le.PutUint64(c.meta[32:], 0) },
		"neither meta page":       func(c *crafted) { clear(c.page(0)); clear(c.page(1)) },
		"less than four pages":    func(c *crafted) { c.bytes = c.bytes[:4*craftedPage-1] },
		"nothing":                 func(c *crafted) { c.bytes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := craft(t)
			before := string(c.meta)
			change(c)
			if string(c.meta) != before && c.meta[16] != 0 {
				sign(c.meta)
			}
			path := filepath.Join(damagetest.Dir(t), "damaged")
			require.NoError(t, os.WriteFile(path, c.bytes, 0o600))
			err := readAll(path)
			require.ErrorAs(t, err, new(*boltfile.Damage))
			t.Log(err)
		})
	}
}

// repack reduces a page to its first n elements, as bbolt would write them.
func repack(p []byte, n int) {
	count := int(le.Uint16(p[10:]))
	posField := 0
	if p[8] == 2 {
		posField = 4
	}
	data := slices.Clone(p[16+16*count:])
	le.PutUint16(p[10:], uint16(n))
	for i := range n {
		e := p[16+16*i:]
		le.PutUint32(e[posField:], le.Uint32(e[posField:])-uint32(16*(count-n)))
	}
	copy(p[16+16*n:], data)
}

// shareBytes has the value of a leaf's second element include the third element.
func shareBytes(c *crafted) {
	_, _, leaf := c.tree()
	second, third := leaf[16+16:], leaf[16+32:]
	le.PutUint32(second[12:], le.Uint32(second[12:])+le.Uint32(third[8:])+le.Uint32(third[12:]))
}

// TestCraftIsLegal checks that the unchanged file of the test above is accepted.
func TestCraftIsLegal(t *testing.T) {
	t.Parallel()
	c := craft(t)
	path := filepath.Join(damagetest.Dir(t), "legal")
	require.NoError(t, os.WriteFile(path, c.bytes, 0o600))
	require.NoError(t, readAll(path))
	require.NoError(t, use(path, rand.New(rand.NewPCG(1, 2))))
	root, branch, leaf := c.tree()
	require.Equal(t, []byte{1, 1, 2}, []byte{root[8], branch[8], leaf[8]}, "branch, branch, leaf")
}

// TestValueLikeAMetaPage stores values with the content of a meta page at the places where the
// second meta page would be if pages were larger. It also tears one meta page at a time.
func TestValueLikeAMetaPage(t *testing.T) {
	t.Parallel()
	c := craft(t)
	fake := slices.Clone(c.meta)
	le.PutUint64(fake[64:], 1<<40)
	dir := damagetest.Dir(t)
	path := filepath.Join(dir, "fake")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: craftedPage, NoSync: true})
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte{'a' + byte(i)}, make([]byte, 100<<10))
		}))
	}
	require.NoError(t, db.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 4 * craftedPage; at < len(file); at *= 2 {
		if bytes.Equal(file[at:at+craftedPage], make([]byte, craftedPage)) { // within a value
			le.PutUint32(fake[24:], uint32(at))
			sign(fake)
			copy(file[at:], fake)
		}
	}
	for torn := range 3 {
		damaged := slices.Clone(file)
		if torn < 2 {
			damaged[torn*craftedPage+40] ^= 1
		}
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		require.NoError(t, readAll(path), "meta page %d is torn", torn)
		require.NoError(t, use(path, rand.New(rand.NewPCG(1, 2))), "meta page %d is torn", torn)
	}
}
