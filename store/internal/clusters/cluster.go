package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Numbers of nodes. Spare nodes are members only while members change.
const (
	voters   = 3
	machines = 5
)

// A cluster is the nodes, and the links between them.
type cluster struct {
	dir      string
	machines []*machine
	links    map[[2]int]*link
	mutant   string
	mounted  bool // each node has a disk of its own
	note     func(format string, args ...any)

	mu struct {
		sync.Mutex
		faults  []string // that were seen while the cluster ran
		digests map[uint64]digestOf
		term    uint64
		leaders int
	}
	installs counterByProcess
}

// A digestOf is a digest, and the node that had it first.
type digestOf struct {
	digest uint64
	of     string
}

// diskBytes is the size of a node's own disk. The log takes files of 64 MiB.
const diskBytes = 512 << 20

// newCluster makes the directories, and starts nothing.
func newCluster(dir, mutant string, note func(string, ...any)) (*cluster, error) {
	c := &cluster{dir: dir, links: make(map[[2]int]*link), note: note, mutant: mutant}
	c.mu.digests = make(map[uint64]digestOf)
	for n := range machines {
		m := &machine{number: n, id: fmt.Sprint("n", n), logPath: filepath.Join(dir, fmt.Sprintf("n%d.log", n))}
		m.dir = filepath.Join(dir, m.id)
		m.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second}}
		m.alone = func(err error) {
			c.fault("the process of node %s has ended by itself: %v\n%s", m.id, err, m.tail(30))
		}
		if err := os.MkdirAll(m.dir, 0o700); err != nil {
			return nil, err
		}
		var err error
		if m.address, err = freeAddress(); err != nil {
			return nil, err
		}
		m.plan = plan{ID: m.id, Dir: m.dir, Address: m.address, Mutant: mutant, Tuning: tuningOf(n), Routes: make(map[string]string)}
		c.machines = append(c.machines, m)
	}
	c.mounted = c.mount()
	return c, c.connect()
}

// freeAddress returns an address below the ports that the system gives to connections.
func freeAddress() (string, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 16000+rand.IntN(16000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// connect makes the links.
func (c *cluster) connect() error {
	for _, from := range c.machines {
		for _, to := range c.machines {
			if from == to {
				continue
			}
			l, err := newLink(from.number, to.number, to.address)
			if err != nil {
				return err
			}
			c.links[[2]int{from.number, to.number}] = l
			from.plan.Routes[to.address] = l.address()
		}
	}
	return nil
}

// mount gives each node a disk of its own, if this machine permits it.
func (c *cluster) mount() bool {
	for i, m := range c.machines {
		if err := mountDisk(m.dir, diskBytes); err != nil {
			for _, done := range c.machines[:i] {
				_ = unmountDisk(done.dir)
			}
			return false
		}
	}
	return true
}

// close kills all processes and unmounts the disks. The directories stay.
func (c *cluster) close() error {
	var errs []error
	for _, m := range c.machines {
		m.kill()
		m.client.CloseIdleConnections()
		if c.mounted {
			errs = append(errs, unmountDisk(m.dir))
		}
	}
	for _, l := range c.links {
		l.close()
	}
	return errors.Join(errs...)
}

// tuningOf returns the settings of a node. Timeouts differ as clocks of different speed would have them, within the
// bounds that package raftstore states: each lease is below each heartbeat timeout.
func tuningOf(n int) tuning {
	t := tuning{
		Heartbeat: 300 + 60*n, Lease: 150 + 20*n, SnapshotMilli: 400, TransportMilli: 1000,
		Threshold: 150, Trailing: 60, AppendEntries: 64 << n, Allocation: 1 << 20, Batch: 8 << 20,
	}
	switch n {
	case 1:
		t.Retention, t.Allocation, t.Resident = -1, largeFiller/2, 1<<20
	case 2:
		t.Retention, t.Batch, t.Resident = 1, largeFiller/2, 1
	case 3:
		t.Retention, t.Threshold, t.Trailing = -1, 1000, 1000
	}
	return t
}

// begin starts the first nodes as a new cluster, and waits for a leader.
func (c *cluster) begin(ctx context.Context) error {
	var all []joinOf
	for _, m := range c.machines[:voters] {
		if err := m.start(); err != nil {
			return err
		}
		m.setMember(true)
		all = append(all, joinOf{m.id, m.address})
	}
	if f := c.machines[0].do(ctx, &doQuery{What: "bootstrap", Members: all}); f.Kind != kindOK {
		return fmt.Errorf("bootstrap: %s", f.Error)
	}
	_, err := c.leader(ctx)
	return err
}

func (m *machine) setMember(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.member = is
}

func (m *machine) isMember() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.member
}

// members returns the nodes that are members, or should be.
func (c *cluster) members() (all []*machine) {
	for _, m := range c.machines {
		if m.isMember() {
			all = append(all, m)
		}
	}
	return all
}

// leader waits for a leader that can read, and returns it.
func (c *cluster) leader(ctx context.Context) (*machine, error) {
	for w := wait(patience); w.more() && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		for _, m := range c.members() {
			if a := m.status(ctx); a.Kind != kindOK || a.State != "Leader" {
				continue
			}
			if a := m.read(ctx, &readQuery{ID: registerFirst, Fresh: true, Consistency: linearizable, Milli: 1000}); a.Kind == kindOK {
				return m, nil
			}
		}
	}
	return nil, errors.Join(fmt.Errorf("there is no leader within %v", patience), ctx.Err())
}

// now returns the present leader, or nil.
func (c *cluster) now(ctx context.Context) *machine {
	var found *machine
	var term uint64
	for _, m := range c.members() {
		if a := m.status(ctx); a.Kind == kindOK && a.State == "Leader" && a.Term > term {
			found, term = m, a.Term
		}
	}
	return found
}

// pick returns a random member, or if it has no process another one.
func (c *cluster) pick(d *rand.Rand) *machine {
	all := c.members()
	for range 4 {
		if m := all[d.IntN(len(all))]; m.running() != nil {
			return m
		}
	}
	return all[d.IntN(len(all))]
}

// fault notes a violation that was seen while the cluster runs.
func (c *cluster) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(c.mu.faults) < maxFaults {
		c.mu.faults = append(c.mu.faults, text)
	}
	c.note("FAULT: %s", text)
}

// watch looks at all nodes again and again, until ctx ends: digests of one index are equal on all nodes, no node shows less
// than before, and no node halts without a reason.
func (c *cluster) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, m := range c.members() {
			p, before := m.running(), m.shown()
			if p == nil {
				continue
			}
			a := m.status(ctx)
			if a.Kind == kindOK && m.running() == p {
				c.look(m, p, before, &a)
			}
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (m *machine) shown() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// look compares a status with those before.
func (c *cluster) look(m *machine, p *process, before uint64, a *statusAnswer) {
	if a.Last < before {
		c.fault("node %s shows index %d, and has shown %d before", m.id, a.Last, before)
	}
	m.saw(p, a.Last)
	m.mu.Lock()
	spoiled := m.spoiled
	m.mu.Unlock()
	if a.Halted != "" && !spoiled {
		c.fault("node %s has halted without a reason: %s", m.id, a.Halted)
		m.mu.Lock()
		m.spoiled = true // report it once
		m.mu.Unlock()
	}
	c.installs.see(p, a.Installs)
	c.mu.Lock()
	if a.State == "Leader" && a.Term > c.mu.term {
		c.mu.term = a.Term
		c.mu.leaders++
	}
	first, known := c.mu.digests[a.DigestIndex]
	if !known {
		c.mu.digests[a.DigestIndex] = digestOf{a.Digest, m.id}
	}
	c.mu.Unlock()
	if known && first.digest != a.Digest {
		c.fault("the digests of index %d differ: %x on node %s, and %x on node %s", a.DigestIndex, first.digest, first.of, a.Digest, m.id)
	}
}

// forgetDigests begins a new history: that of a restore, or a long one's next part.
func (c *cluster) forgetDigests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.mu.digests)
}

// A counterByProcess adds up a number that each process counts for itself.
type counterByProcess struct {
	mu    sync.Mutex
	count map[*process]int64
}

func (c *counterByProcess) see(p *process, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = make(map[*process]int64)
	}
	c.count[p] = max(c.count[p], n)
}

func (c *counterByProcess) sum() (all int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.count {
		all += n
	}
	return all
}
