package main

import (
	"fmt"
	"path/filepath"
	"runtime"

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
		if err := b.memdbMemory(); err != nil {
			return err
		}
	}
	if b.wants("memory", "statedb") {
		if err := b.statedbMemory(); err != nil {
			return err
		}
	}
	if b.wants("memory", "sync.Map") {
		return b.mapMemory()
	}
	return nil
}

// ourMemory takes our store through its life.
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

func (b *bench) memdbMemory() error {
	m := b.newMeter("go-memdb")
	db, err := newMemdb()
	if err != nil {
		return err
	}
	return b.rowMemory(m, db)
}

func (b *bench) statedbMemory() error {
	m := b.newMeter("statedb")
	db, err := newStatedb()
	if err != nil {
		return err
	}
	return b.rowMemory(m, db)
}

// rows is a peer that keeps rows in memory, and replaces them.
type rows interface {
	insert(rows []*schema.Allocation) error
	update(sent ...*schema.Allocation) error
}

// rowMemory takes it through its life.
func (b *bench) rowMemory(m meter, db rows) error {
	if err := b.data.eachOwned(db.insert); err != nil {
		return err
	}
	m.keep("memory/inserted")
	err := b.tenEvents(func(sent []*schema.Allocation) error { return db.update(sent...) })
	m.keep("memory/ten events")
	runtime.KeepAlive(db)
	return err
}

func (b *bench) mapMemory() error {
	m := b.newMeter("sync.Map")
	bare := new(syncMap)
	if err := b.data.eachOwned(bare.insert); err != nil {
		return err
	}
	m.keep("memory/inserted")
	runtime.KeepAlive(bare)
	return nil
}

// tenEvents has the client of every allocation report as many events as are kept.
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

// meter measures what is on the heap since it was made.
type meter struct {
	b      *bench
	peer   string
	before uint64
}

func (b *bench) newMeter(peer string) meter {
	heap, _ := inUse()
	return meter{b, peer, heap}
}

// keep keeps what an allocation takes as the result of this work.
func (m meter) keep(work string) {
	heap, _ := inUse()
	m.b.keepBytes(work, m.peer, float64(int64(heap-m.before))/float64(m.b.data.n))
}

// inUse returns the bytes of what is reachable on the heap, and of the stacks.
// Two collections: what a pool holds, and what has a finalizer, outlives one.
func inUse() (heap, stacks uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// disk measures the bytes of an allocation in the files, before any update.
func (b *bench) disk() error {
	const work = "disk"
	for _, p := range b.durables(work) {
		if p.isVariant() {
			continue
		}
		store, err := p.open()
		if err != nil {
			return fmt.Errorf("%s/%s: %w", work, p.name, err)
		}
		bytes, err := store.bytes()
		if err != nil {
			return err
		}
		b.keepBytes(work, p.name, float64(bytes)/float64(b.data.n))
	}
	return nil
}
