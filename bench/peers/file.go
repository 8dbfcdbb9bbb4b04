package main

import (
	"errors"
	"path/filepath"
	"time"
)

// fromFile measures Get of allocations that are not in memory. It asks for each
// allocation once, since the first Get may keep it in memory.
func (b *bench) fromFile() error {
	const work = "file"
	var contenders []contender
	if b.wants(work, ours) {
		contenders = append(contenders, contender{ours, b.freshOurs})
	}
	bolts, closeBolt, err := b.wholes(work, "bbolt Get", b.boltWholes)
	if err != nil {
		return err
	}
	defer closeBolt()
	badgers, closeBadger, err := b.wholes(work, "Badger Get", b.badgerWholes)
	if err != nil {
		return err
	}
	defer closeBadger()
	return b.rounds(work, append(append(contenders, bolts...), badgers...))
}

// wholeStore is a filled store with one value per allocation.
type wholeStore struct {
	reader func(decode bool) getter
	close  func() error
}

// wholes returns the contenders that read one store without and with decoding, as far
// as they are wanted, and a function that closes the store.
func (b *bench) wholes(work, peer string, fill func() (wholeStore, error)) (two []contender, end func() error, err error) {
	names := map[bool]string{false: peer, true: peer + ", decode"}
	if !b.wants(work, names[false]) && !b.wants(work, names[true]) {
		return nil, func() error { return nil }, nil
	}
	store, err := fill()
	if err != nil {
		return nil, nil, err
	}
	for _, decode := range []bool{false, true} {
		if b.wants(work, names[decode]) {
			two = append(two, contender{names[decode], func(d time.Duration) (sample, error) {
				return lookups(store.reader(decode), b.data.once(), d)
			}})
		}
	}
	return two, store.close, nil
}

func (b *bench) boltWholes() (wholeStore, error) {
	bolt, err := newBolt(filepath.Join(b.dir, "bolt-whole.db"))
	if err != nil {
		return wholeStore{}, err
	}
	return wholeStore{func(decode bool) getter { return boltWhole{bolt, decode} }, bolt.close}, loadWhole(bolt, b.data)
}

func (b *bench) badgerWholes() (wholeStore, error) {
	badger, err := newBadgerWhole(filepath.Join(b.dir, "badger-whole"), b.data)
	if err != nil {
		return wholeStore{}, err
	}
	return wholeStore{func(decode bool) getter { return badgerWhole{badger, decode} }, badger.close}, nil
}

// freshOurs reads from our store right after opening it.
func (b *bench) freshOurs(d time.Duration) (sample, error) {
	path, err := b.stores.ours.file()
	if err != nil {
		return sample{}, err
	}
	o, err := newOurs(path)
	if err != nil {
		return sample{}, err
	}
	s, err := lookups(o, b.data.once(), d)
	return s, errors.Join(err, o.close())
}
