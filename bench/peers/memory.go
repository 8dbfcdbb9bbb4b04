package main

import (
	"fmt"
	"path/filepath"
	"runtime"

	"allocstore/bench/internal/machine"
	"allocstore/schema"
)

// memory measures the heap bytes of an allocation.
func (b *bench) memory() error {
	if b.wants("memory", ours) {
		if err := b.ourMemory(); err != nil {
			return err
		}
	}
	if b.wants("memory", "go-memdb") {
		if err := b.rowMemory("go-memdb", func() (rows, error) { return newMemdb() }); err != nil {
			return err
		}
	}
	if b.wants("memory", "statedb") {
		if err := b.rowMemory("statedb", func() (rows, error) { return newStatedb() }); err != nil {
			return err
		}
	}
	if b.wants("memory", "sync.Map") {
		return b.mapMemory()
	}
	return nil
}

// ourMemory measures our store at each stage.
func (b *bench) ourMemory() error {
	path := filepath.Join(b.dir, "memory.db")
	m := b.newMeter(ours)
	o, err := newOurs(path)
	if err != nil {
		return err
	}
	if err := o.load(b.data); err != nil {
		return err
	}
	m.keep("memory/inserted")
	if err := o.close(); err != nil {
		return err
	}
	o = nil

	m = b.newMeter(ours)
	if o, err = newOurs(path); err != nil {
		return err
	}
	m.keep("memory/opened")
	if err := readAll(o, b.data.ids); err != nil {
		return err
	}
	m.keep("memory/read once")
	if err := b.tenEvents(o.updateAll); err != nil {
		return err
	}
	m.keep("memory/ten events")
	return o.close()
}

// rows is a peer that keeps rows in memory and replaces them.
type rows interface {
	insert(rows []*schema.Allocation) error
	update(sent ...*schema.Allocation) error
}

// rowMemory measures such a peer at each stage.
func (b *bench) rowMemory(peer string, open func() (rows, error)) error {
	m := b.newMeter(peer)
	db, err := open()
	if err != nil {
		return err
	}
	if err := b.data.eachCopy(db.insert); err != nil {
		return err
	}
	m.keep("memory/inserted")
	err = b.tenEvents(func(sent []*schema.Allocation) error { return db.update(sent...) })
	m.keep("memory/ten events")
	runtime.KeepAlive(db)
	return err
}

func (b *bench) mapMemory() error {
	m := b.newMeter("sync.Map")
	bare := new(syncMap)
	if err := b.data.eachCopy(bare.insert); err != nil {
		return err
	}
	m.keep("memory/inserted")
	runtime.KeepAlive(bare)
	return nil
}

// tenEvents updates every allocation with as many events as a ring keeps.
func (b *bench) tenEvents(update func([]*schema.Allocation) error) error {
	for from := 0; from < b.data.n; from += perJob {
		var sent []*schema.Allocation
		for _, id := range b.data.ids[from:min(from+perJob, b.data.n)] {
			sent = append(sent, clientUpdate(id, nextStamp(), schema.MaxTaskEvents))
		}
		if err := update(sent); err != nil {
			return fmt.Errorf("ten events: %w", err)
		}
	}
	return nil
}

// meter measures the growth of the heap since it was made.
type meter struct {
	b      *bench
	peer   string
	before int64
}

func (b *bench) newMeter(peer string) meter {
	heap, _ := machine.InUse()
	return meter{b, peer, heap}
}

// keep keeps the growth, divided by the number of allocations, as the result of work.
func (m meter) keep(work string) {
	heap, _ := machine.InUse()
	m.b.keepBytes(work, m.peer, float64(heap-m.before)/float64(m.b.data.n))
}

// disk measures the file bytes of an allocation before any update.
func (b *bench) disk() error {
	const work = "disk"
	return b.eachDurable(work, func(peer string, d durable) error {
		bytes, err := d.bytes()
		if err != nil {
			return err
		}
		b.keepBytes(work, peer, float64(bytes)/float64(b.data.n))
		return nil
	})
}
