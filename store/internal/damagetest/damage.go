package damagetest

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// A Kind is one way of damaging a file. It may happen to change nothing.
type Kind struct {
	Name   string
	damage func(*damager)
}

// Kinds are all kinds of damage.
var Kinds = []Kind{
	{"bit flips", (*damager).flip},
	{"zeroed", (*damager).zero},
	{"random bytes", (*damager).randomize},
	{"swapped pages", (*damager).swap},
	{"cut short", (*damager).cut},
	{"duplicated pages", (*damager).duplicate},
	{"meta pages", (*damager).metas},
	{"fields", (*damager).fields},
}

// Damage returns a damaged copy of a bbolt file.
func (k Kind) Damage(r *rand.Rand, file []byte, pageSize int) []byte {
	d := &damager{Rand: r, file: bytes.Clone(file), pageSize: pageSize}
	d.findLive()
	k.damage(d)
	return d.file
}

var le = binary.LittleEndian

// A damager damages one file. It reads the format by itself and shares no code with the tested
// packages.
type damager struct {
	*rand.Rand
	file     []byte
	pageSize int
	live     []int // the pages of the trees, with their overflow
}

const (
	pageHeader = 16
	element    = 16
)

// pages returns the number of pages in use.
func (d *damager) pages() int {
	n := 0
	for i := range 2 {
		n = max(n, int(le.Uint64(d.page(i)[pageHeader+40:])))
	}
	return min(n, len(d.file)/d.pageSize)
}

func (d *damager) page(i int) []byte { return d.file[i*d.pageSize : (i+1)*d.pageSize] }

// findLive finds the live pages, from the newest meta page, before the damage.
func (d *damager) findLive() {
	newest := d.page(0)
	if second := d.page(1); le.Uint64(second[pageHeader+48:]) > le.Uint64(newest[pageHeader+48:]) {
		newest = second
	}
	d.follow(int(le.Uint64(newest[pageHeader+16:])))
}

// follow adds the page and all below it, with the buckets' trees.
func (d *damager) follow(id int) {
	p := d.file[id*d.pageSize:]
	for i := range 1 + int(le.Uint32(p[12:])) {
		d.live = append(d.live, id+i)
	}
	for i := range int(le.Uint16(p[10:])) {
		e := p[pageHeader+i*element:]
		if p[8] == 1 {
			d.follow(int(le.Uint64(e[8:])))
		} else if e[0] == 1 {
			if root := le.Uint64(e[le.Uint32(e[4:])+le.Uint32(e[8:]):]); root != 0 {
				d.follow(int(root))
			}
		}
	}
}

// any returns a page, mostly a live one.
func (d *damager) any() int {
	if d.IntN(4) > 0 {
		return d.live[d.IntN(len(d.live))]
	}
	return d.IntN(d.pages())
}

// tree returns a page that begins like one of a tree.
func (d *damager) tree() []byte {
	for range 1000 {
		if p := d.page(d.any()); (p[8] == 1 || p[8] == 2) && p[9] == 0 {
			return p
		}
	}
	return d.page(d.any())
}

// flip flips bits: anywhere, or where a tree page has its headers and its keys.
func (d *damager) flip() {
	for range 1 + d.IntN(4) {
		p := d.page(d.any())
		if d.IntN(2) == 0 {
			p = d.tree()
			p = p[:min(len(p), pageHeader+3*element*int(max(1, le.Uint16(p[10:])))/2)]
		}
		p[d.IntN(len(p))] ^= 1 << d.IntN(8)
	}
}

// part returns a part of a page, or the whole page.
func (d *damager) part() []byte {
	p := d.page(d.any())
	switch d.IntN(3) {
	case 0:
		return p
	case 1:
		sector := d.IntN(len(p) / 512)
		return p[sector*512 : (sector+1)*512]
	}
	from := d.IntN(len(p))
	return p[from : from+d.IntN(len(p)-from)]
}

func (d *damager) zero() { clear(d.part()) }

func (d *damager) randomize() {
	p := d.part()
	for i := range p {
		p[i] = byte(d.Uint32())
	}
}

func (d *damager) swap() {
	a, b := d.any(), d.any()
	pa := bytes.Clone(d.page(a))
	copy(d.page(a), d.page(b))
	copy(d.page(b), pa)
	d.claim(a, b)
}

// claim corrects the pages' own numbers, in half of the cases.
func (d *damager) claim(pages ...int) {
	if d.IntN(2) == 0 {
		for _, i := range pages {
			le.PutUint64(d.page(i), uint64(i))
		}
	}
}

func (d *damager) cut() {
	n := d.IntN(d.pages()*d.pageSize + 1)
	if d.IntN(2) == 0 {
		n -= n % d.pageSize
	}
	d.file = d.file[:n]
}

func (d *damager) duplicate() {
	from, to := d.any(), d.any()
	copy(d.page(to), d.page(from))
	d.claim(to)
}

// metas changes the fields of a meta page, and mostly makes its checksum right.
func (d *damager) metas() {
	which := d.IntN(2)
	p := d.page(which)
	switch d.IntN(8) {
	case 0:
		p[d.IntN(pageHeader+64)] ^= 1 << d.IntN(8)
		return
	case 1:
		copy(d.page(1-which), p)
		return
	}
	for range 1 + d.IntN(2) {
		switch d.IntN(6) {
		case 0:
			le.PutUint32(p[pageHeader+8:], 1<<d.IntN(32)) // page size
		case 1, 2:
			d.change64(p[pageHeader+16:]) // root
		case 3:
			d.change64(p[pageHeader+32:]) // freelist
		case 4:
			d.change64(p[pageHeader+40:]) // the highest page
		case 5:
			d.change64(p[pageHeader+48:]) // transaction
		}
	}
	sum := fnv.New64a()
	sum.Write(p[pageHeader : pageHeader+56])
	le.PutUint64(p[pageHeader+56:], sum.Sum64())
}

// change64 changes a number, often to that of another page, or by a little.
func (d *damager) change64(b []byte) {
	v := le.Uint64(b)
	switch d.IntN(6) {
	case 0, 1:
		v = uint64(d.any())
	case 2:
		v += uint64(d.IntN(3)) - 1
	case 3:
		v ^= 1 << d.IntN(64)
	case 4:
		v = [...]uint64{0, 1, 2, math.MaxUint64, 1 << 40, 1 << 63, 1 << 32}[d.IntN(7)]
	case 5:
		v = d.Uint64() >> d.IntN(64)
	}
	le.PutUint64(b, v)
}

func (d *damager) change32(b []byte) {
	v := le.Uint32(b)
	switch d.IntN(5) {
	case 0, 1:
		v += uint32(d.IntN(65)) - 32
	case 2:
		v ^= 1 << d.IntN(32)
	case 3:
		v = [...]uint32{0, 1, 16, math.MaxUint32, 1 << 31, 1 << 16}[d.IntN(6)]
	case 4:
		v = d.Uint32() >> d.IntN(32)
	}
	le.PutUint32(b, v)
}

// fields changes a field of a tree page's header or of its elements' headers.
func (d *damager) fields() {
	for range 1 + d.IntN(2) {
		p := d.tree()
		count := int(le.Uint16(p[10:]))
		if d.IntN(4) == 0 || count == 0 {
			d.header(p, count)
			continue
		}
		at := pageHeader + d.IntN(count)*element
		if at+element > len(p) {
			continue
		}
		e := p[at : at+element]
		if p[8] == 1 && d.IntN(2) == 0 {
			d.change64(e[8:]) // child
			continue
		}
		d.change32(e[4*d.IntN(4):])
	}
}

func (d *damager) header(p []byte, count int) {
	switch d.IntN(4) {
	case 0:
		d.change64(p)
	case 1:
		le.PutUint16(p[8:], 1<<d.IntN(8))
	case 2:
		le.PutUint16(p[10:], uint16(count+[...]int{-1, 1, d.IntN(1 << 16), -count}[d.IntN(4)]))
	case 3:
		d.change32(p[12:])
	}
}
