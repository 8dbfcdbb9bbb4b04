package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A nemesis inflicts faults on a cluster, and heals them.
type nemesis struct {
	c            *cluster
	around, with *rand.Rand // of disturb, and of operate
	only         []string   // the names of the only faults, for tests; nil for all

	mu     sync.Mutex // guards counts and failed
	counts map[string]int
	failed []error
}

func newNemesis(c *cluster, seed uint64) *nemesis {
	return &nemesis{c: c, around: rand.New(rand.NewPCG(seed, 2)), with: rand.New(rand.NewPCG(seed, 3)), counts: make(map[string]int)}
}

func (n *nemesis) count(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[name]++
	n.c.note("%s", name)
}

// fail notes that an operator's work has failed, which is a fault of the cluster.
func (n *nemesis) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = append(n.failed, err)
	n.c.note("FAILED: %v", err)
}

// sleep sleeps from low to high milliseconds, or until ctx ends.
func sleep(ctx context.Context, d *rand.Rand, low, high int) {
	select {
	case <-time.After(time.Duration(low+d.IntN(high-low)) * time.Millisecond):
	case <-ctx.Done():
	}
}

// A disturbance is a fault around nodes: their processes and their network. It returns how to heal it.
type disturbance struct {
	name    string
	inflict func(n *nemesis, ctx context.Context) (heal func())
}

var disturbances = []disturbance{
	{"kill a node", func(n *nemesis, ctx context.Context) func() { return n.killSome(1, ctx) }},
	{"kill two nodes", func(n *nemesis, ctx context.Context) func() { return n.killSome(2, ctx) }},
	{"kill all nodes", func(n *nemesis, ctx context.Context) func() { return n.killSome(machines, ctx) }},
	{"kill the leader", func(n *nemesis, ctx context.Context) func() {
		if m := n.c.now(ctx); m != nil {
			return n.killThese([]*machine{m})
		}
		return nil
	}},
	{"stop the leader", func(n *nemesis, ctx context.Context) func() { return n.stop(n.c.now(ctx)) }},
	{"stop a node", func(n *nemesis, ctx context.Context) func() { return n.stop(n.victims(1)[0]) }},
	{"cut the leader off", func(n *nemesis, ctx context.Context) func() { return n.isolate(n.c.now(ctx), network{cut: true}) }},
	{"cut a node off", func(n *nemesis, ctx context.Context) func() { return n.isolate(n.victims(1)[0], network{cut: true}) }},
	{"silence the leader", func(n *nemesis, ctx context.Context) func() {
		return n.isolate(n.c.now(ctx), network{stall: [2]bool{true, true}})
	}},
	{"cut one direction", func(n *nemesis, ctx context.Context) func() { return n.oneWay() }},
	{"cut a bridge", func(n *nemesis, ctx context.Context) func() {
		pair := n.victims(2)
		return n.links(network{cut: true}, func(l *link) bool { return joins(l, pair[0], pair[1]) })
	}},
	{"lose the answers", func(n *nemesis, ctx context.Context) func() {
		m := n.victims(1)[0]
		return n.links(network{stall: [2]bool{false, true}}, func(l *link) bool { return l.from == m.number })
	}},
	{"delay all", func(n *nemesis, ctx context.Context) func() {
		d := time.Duration(5+n.around.IntN(60)) * time.Millisecond
		return n.links(network{delay: d}, func(*link) bool { return true })
	}},
	{"delay a node", func(n *nemesis, ctx context.Context) func() {
		d := time.Duration(50+n.around.IntN(300)) * time.Millisecond
		return n.isolate(n.victims(1)[0], network{delay: d})
	}},
	{"narrow links", func(n *nemesis, ctx context.Context) func() {
		return n.links(network{perSec: 400_000 + n.around.IntN(2_000_000)}, func(*link) bool { return true })
	}},
}

// disturb inflicts one disturbance after the other, until ctx ends. Some begin before the one before is healed.
func (n *nemesis) disturb(ctx context.Context) {
	var before func()
	end := func() {
		if before != nil {
			before()
		}
		before = nil
	}
	for ctx.Err() == nil {
		d := disturbances[n.around.IntN(len(disturbances))]
		if n.only != nil && !slices.Contains(n.only, d.name) {
			if !n.disturbs() {
				break
			}
			continue
		}
		if before != nil && n.around.IntN(3) > 0 {
			end()
			sleep(ctx, n.around, 200, 1500)
		}
		heal := d.inflict(n, ctx)
		if heal == nil {
			sleep(ctx, n.around, 50, 200)
			continue
		}
		n.count(d.name)
		sleep(ctx, n.around, 300, 2500)
		end()
		before = heal
	}
	end()
}

// disturbs reports whether the only faults have a disturbance.
func (n *nemesis) disturbs() bool {
	return slices.ContainsFunc(disturbances, func(d disturbance) bool { return slices.Contains(n.only, d.name) })
}

// victims returns some members, in random order.
func (n *nemesis) victims(count int) []*machine {
	all := n.c.members()
	n.around.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:min(count, len(all))]
}

func (n *nemesis) killSome(count int, _ context.Context) func() { return n.killThese(n.victims(count)) }

// killThese kills nodes, and starts them again when it is healed.
func (n *nemesis) killThese(all []*machine) func() {
	var killed []*machine
	for _, m := range all {
		if m.claim() {
			killed = append(killed, m)
			m.kill()
		}
	}
	if len(killed) == 0 {
		return nil
	}
	return func() {
		for _, m := range killed {
			n.again(m)
			m.release()
		}
	}
}

// again starts a node again.
func (n *nemesis) again(m *machine) {
	if n.c.mutant == mutantStale {
		if err := m.replaceByOld(); err != nil {
			n.fail(err)
		}
	}
	if err := m.start(); err != nil {
		n.fail(err)
	}
}

// replaceByOld takes a copy of the directory, or replaces the directory by the copy taken before.
func (m *machine) replaceByOld() error {
	old := m.dir + ".old"
	if m.old = !m.old; m.old {
		return errors.Join(os.RemoveAll(old), os.CopyFS(old, os.DirFS(m.dir)))
	}
	all, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := os.RemoveAll(filepath.Join(m.dir, e.Name())); err != nil {
			return err
		}
	}
	return os.CopyFS(m.dir, os.DirFS(old))
}

// claim takes the node for one fault at a time. It reports false if it has one.
func (m *machine) claim() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claimed || m.process == nil {
		return false
	}
	m.claimed = true
	return true
}

func (m *machine) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claimed = false
}

// stop stops a process as if its machine had hung.
func (n *nemesis) stop(m *machine) func() {
	if m == nil || !m.claim() {
		return nil
	}
	m.signal(syscall.SIGSTOP)
	return func() {
		m.signal(syscall.SIGCONT)
		m.release()
	}
}

// links sets the state of some links.
func (n *nemesis) links(to network, which func(*link) bool) func() {
	var set []*link
	for _, l := range n.c.links {
		if which(l) {
			l.set(to)
			set = append(set, l)
		}
	}
	return func() {
		for _, l := range set {
			l.set(network{})
		}
	}
}

// isolate sets the state of all links of a node.
func (n *nemesis) isolate(m *machine, to network) func() {
	if m == nil {
		return nil
	}
	return n.links(to, func(l *link) bool { return l.from == m.number || l.to == m.number })
}

func joins(l *link, a, b *machine) bool {
	return l.from == a.number && l.to == b.number || l.from == b.number && l.to == a.number
}

// oneWay loses all that a node sends to another one, or all that it sends at all.
func (n *nemesis) oneWay() func() {
	pair, all := n.victims(2), n.around.IntN(2) == 0
	state := network{stall: [2]bool{true, false}}
	if n.around.IntN(2) == 0 {
		state = network{cut: true}
	}
	return n.links(state, func(l *link) bool {
		return l.from == pair[0].number && (all || l.to == pair[1].number)
	})
}

// heal ends all faults: each member has a process that has not halted, and a leader is there.
func (n *nemesis) heal(ctx context.Context) error {
	for _, l := range n.c.links {
		l.set(network{})
	}
	var errs []error
	for _, m := range n.c.members() {
		if m.running() == nil {
			errs = append(errs, fmt.Errorf("node %s has no process", m.id))
		}
	}
	_, err := n.c.leader(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	errs = append(errs, n.failed...)
	n.failed = nil
	return errors.Join(append(errs, err)...)
}
