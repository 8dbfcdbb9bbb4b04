package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"allocstore/schema"
)

// durable is a store on a disk, with the n allocations in it.
type durable interface {
	updater
	placer
	load(*data) error
	settle() error
	bytes() (int64, error)
	close() error
}

// updater takes a client's update, and returns when it is on the disk.
type updater interface {
	update(*schema.Allocation) error

	// client returns an allocation with at least what the client owns.
	client(id string) (*schema.Allocation, error)
}

// placer takes new allocations, all of one job, as one durable write.
type placer interface {
	place(batch []*schema.Allocation) error
}

// stores are the durable stores, each made and filled when it is first asked for
// and kept to the end, for filling them takes longer than most of the work.
type stores struct {
	ours   func() (durable, error)
	pebble func() (durable, error)
	bolt   func() (durable, error)

	// ourFile is the file of ours, filled and closed. It may be opened until ours
	// is asked for.
	ourFile func() (string, error)

	opened []durable
}

func newStores(dir string, d *data) *stores {
	s := new(stores)
	ourPath := filepath.Join(dir, "allocstore.db")
	s.ourFile = sync.OnceValues(func() (string, error) {
		o, err := newOurs(ourPath)
		if err != nil {
			return "", err
		}
		return ourPath, errors.Join(o.load(d), o.close())
	})
	s.ours = sync.OnceValues(func() (durable, error) {
		path, err := s.ourFile()
		if err != nil {
			return nil, err
		}
		o, err := newOurs(path)
		return s.keep(o, err)
	})
	s.pebble = s.filled(d, func() (durable, error) { return newPebble(filepath.Join(dir, "pebble")) })
	s.bolt = s.filled(d, func() (durable, error) { return newBolt(filepath.Join(dir, "bolt.db")) })
	return s
}

// filled returns a function that makes a store and fills it, once.
func (s *stores) filled(d *data, make func() (durable, error)) func() (durable, error) {
	return sync.OnceValues(func() (durable, error) {
		p, err := s.keep(make())
		if err != nil {
			return nil, err
		}
		return p, p.load(d)
	})
}

// keep remembers a store that was opened, to close it.
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
