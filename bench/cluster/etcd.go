package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"allocstore/bench/internal/program"
	"allocstore/schema"
)

// etcdCluster is a cluster of embedded etcd servers with their defaults, and clients of each.
type etcdCluster struct {
	settings
	servers []atomic.Pointer[embed.Etcd] // nil: stopped
	peers   []url.URL
	urls    []url.URL
	clients [][]*clientv3.Client // of each node
}

// etcdConns is the number of clients of a node, and so of connections to it. The writers share them.
const etcdConns = 16

func openEtcd(o *settings) (*etcdCluster, error) {
	c := &etcdCluster{settings: *o}
	c.servers = make([]atomic.Pointer[embed.Etcd], o.nodes)
	ports, err := freePorts(2 * o.nodes)
	if err != nil {
		return nil, err
	}
	for i := range o.nodes {
		c.peers, c.urls = append(c.peers, localURL(ports[2*i])), append(c.urls, localURL(ports[2*i+1]))
	}
	err = program.Parallel(o.nodes, c.start) // each waits for a majority
	for i := 0; i < o.nodes && err == nil; i++ {
		err = c.connect(i)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// freePorts returns unused ports.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func localURL(port int) url.URL {
	return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
}

// connect makes the clients of a node.
func (c *etcdCluster) connect(i int) error {
	var all []*clientv3.Client
	defer func() { c.clients = append(c.clients, all) }()
	for range etcdConns {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{c.urls[i].String()}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		})
		if err != nil {
			return err
		}
		all = append(all, client)
	}
	return nil
}

func (c *etcdCluster) start(i int) error {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = string(nodeID(i)), nodeDir(c.dir, i)
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{c.peers[i]}, []url.URL{c.peers[i]}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{c.urls[i]}, []url.URL{c.urls[i]}
	var members []string
	for k := range c.peers {
		members = append(members, fmt.Sprintf("%s=%s", nodeID(k), c.peers[k].String()))
	}
	cfg.InitialCluster = strings.Join(members, ",")
	cfg.QuotaBackendBytes = 64 << 30 // the default of 2 GiB would end the run
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		return err
	case <-time.After(patience):
		e.Close()
		return fmt.Errorf("node %d was not ready in %v", i, patience)
	}
	c.servers[i].Store(e)
	return nil
}

// stop stops a server without the transfer of the leadership that Close begins with.
func (c *etcdCluster) stop(i int) error {
	e := c.servers[i].Swap(nil)
	e.Server.HardStop()
	e.Close()
	return nil
}

func (c *etcdCluster) close() error {
	var errs []error
	for _, all := range c.clients {
		for _, client := range all {
			errs = append(errs, client.Close())
		}
	}
	return errors.Join(append(errs, program.Parallel(len(c.servers), func(i int) error {
		if c.servers[i].Load() == nil {
			return nil
		}
		return c.stop(i)
	}))...)
}

// client returns one of the clients of a node.
func (c *etcdCluster) client(node int) *clientv3.Client {
	return c.clients[node][rand.IntN(etcdConns)]
}

// Keys: the allocation as it was placed, without its job; the latest report of its client; and the job.
func allocKey(id string) string  { return "alloc/" + id }
func clientKey(id string) string { return "client/" + id }
func jobKey(id string) string    { return "job/" + id }

// perTxn is the most operations of a transaction by etcd's default.
const perTxn = int(embed.DefaultMaxTxnOps)

// place puts the allocations in transactions of etcd's most operations, side by side.
func (c *etcdCluster) place(ctx context.Context, batch []*schema.Allocation) error {
	node := c.leader()
	if node < 0 {
		return errElsewhere
	}
	job := batch[0].Job
	ops := []clientv3.Op{clientv3.OpPut(jobKey(job.ID), string(codec.AppendJob(nil, job)))}
	for _, a := range batch {
		ops = append(ops, clientv3.OpPut(allocKey(a.ID), string(bareBytes(a))))
	}
	return program.Parallel((len(ops)+perTxn-1)/perTxn, func(k int) error {
		_, err := c.client(node).Txn(ctx).Then(ops[k*perTxn : min((k+1)*perTxn, len(ops))]...).Commit()
		return err
	})
}

// update puts the bytes that the others' entries have, and reads nothing. Any node takes it.
func (c *etcdCluster) update(ctx context.Context, node int, a *schema.Allocation) error {
	if node < 0 {
		return errElsewhere
	}
	_, err := c.client(node).Put(ctx, clientKey(a.ID), text(encodeUpdate(a)))
	if status.Code(err) == codes.Unavailable {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	return err
}

// errUnknown: the write may have happened or not.
var errUnknown = errors.New("the outcome is unknown")

func (c *etcdCluster) read(ctx context.Context, node int, id string, linearizable bool) (*schema.Allocation, error) {
	var options []clientv3.OpOption
	if !linearizable {
		options = []clientv3.OpOption{clientv3.WithSerializable()}
	}
	got, err := c.client(node).Get(ctx, clientKey(id), options...)
	if err != nil {
		return nil, err
	}
	if len(got.Kvs) == 0 {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return reported(got.Kvs[0].Value)
}

// reported is the inverse of encodeUpdate.
func reported(value []byte) (*schema.Allocation, error) {
	if len(value) == 0 || value[0] != updateEntry {
		return nil, errEntry
	}
	return codec.DecodeAllocation(text(value[1:]))
}

func (c *etcdCluster) local(node int, id string) (*schema.Allocation, error) {
	got, err := c.servers[node].Load().Server.KV().Range(context.Background(), []byte(clientKey(id)), nil, mvcc.RangeOptions{})
	if err != nil {
		return nil, err
	}
	if len(got.KVs) == 0 {
		return nil, fmt.Errorf("%w: %s", errMissing, id)
	}
	return reported(got.KVs[0].Value)
}

func (c *etcdCluster) leader() int {
	for i := range c.servers {
		if e := c.servers[i].Load(); e != nil && e.Server.Leader() == e.Server.MemberID() {
			return i
		}
	}
	return -1
}

func (c *etcdCluster) applied(node int) uint64 { return c.servers[node].Load().Server.AppliedIndex() }

// cut does nothing: etcd takes its snapshots every 10,000 entries.
func (c *etcdCluster) cut(int) error { return nil }

// digest is etcd's own hash of all keys and revisions.
func (c *etcdCluster) digest(ctx context.Context, node int) (uint64, error) {
	h, err := c.client(node).HashKV(ctx, c.urls[node].String(), 0)
	if err != nil {
		return 0, err
	}
	return uint64(h.Hash)<<32 ^ uint64(h.HashRevision), nil
}
