package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"allocstore/schema"
)

// durable is a store on disk that holds the n allocations.
type durable interface {
	updater
	placer
	load(*data) error
	quiesce() error
	bytes() (int64, error)
	close() error
}

// updater makes a client's update durable before update returns.
type updater interface {
	update(*schema.Allocation) error

	// client returns an allocation with at least its client-owned fields.
	client(id string) (*schema.Allocation, error)
}

// placer makes the new allocations of one job durable in one write.
type placer interface {
	place(batch []*schema.Allocation) error
}

// stores are the durable stores. Each is created and filled on first use and kept to
// the end, since filling takes longer than most of the work.
type stores struct {
	ours, pebble, pebbleLists, badger, bolt prepared

	opened []durable
}

// prepared is a store that is filled on first use.
type prepared struct {
	// file returns the path of the filled and closed store. The store may be opened there
	// until store is called.
	file func() (string, error)

	// store returns the open store.
	store func() (durable, error)

	open opener
}

// opener opens a store, and creates it if it does not exist.
type opener func(path string) (durable, error)

func newStores(dir string, d *data) *stores {
	s := new(stores)
	s.ours = s.prepare(filepath.Join(dir, "allocstore.db"), d, openerOf(newOurs))
	s.pebble = s.prepare(filepath.Join(dir, "pebble"), d, openerOf(newPebble))
	s.pebbleLists = s.prepare(filepath.Join(dir, "pebble-lists"), d, openerOf(newPebbleLists))
	s.badger = s.prepare(filepath.Join(dir, "badger"), d, openerOf(newBadger))
	s.bolt = s.prepare(filepath.Join(dir, "bolt.db"), d, openerOf(newBolt))
	return s
}

// openerOf converts open to an opener.
func openerOf[D durable](open func(string) (D, error)) opener {
	return func(path string) (durable, error) {
		d, err := open(path)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
}

// prepare returns the store at path.
func (s *stores) prepare(path string, d *data, open opener) prepared {
	p := prepared{open: open}
	p.file = sync.OnceValues(func() (string, error) {
		store, err := open(path)
		if err != nil {
			return "", err
		}
		return path, errors.Join(store.load(d), store.close())
	})
	p.store = sync.OnceValues(func() (durable, error) {
		path, err := p.file()
		if err != nil {
			return nil, err
		}
		return s.keep(open(path))
	})
	return p
}

// keep registers an open store, to be closed at the end.
func (s *stores) keep(p durable, err error) (durable, error) {
	if err != nil {
		return nil, err
	}
	s.opened = append(s.opened, p)
	return p, nil
}

func (s *stores) close() (err error) {
	for _, p := range s.opened {
		if e := p.close(); e != nil {
			err = errors.Join(err, fmt.Errorf("close: %w", e))
		}
	}
	return err
}
