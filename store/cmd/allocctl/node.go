package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/spf13/pflag"

	"allocstore/store/raftstore"
	"allocstore/store/raftstore/rafthttp"
)

// commitTimeout is the time after which raft tells followers of commits, if there is nothing else to say.
const commitTimeout = 10 * time.Millisecond

// alone is the value of --bootstrap without a list: the node is the only first member.
const alone = "this node"

// A nodeOptions has the flags of a node of a cluster.
type nodeOptions struct {
	raft, advertise string
	dir, id         string
	bootstrap, join string
	nonvoter        bool
	tls             tlsFiles
}

func (o *nodeOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.raft, "raft", "", "be a node of a cluster: address and port for the other nodes")
	flags.StringVar(&o.advertise, "advertise", "", "address that the other nodes dial (default that of --raft)")
	flags.StringVar(&o.dir, "dir", "", "directory of the node, which is created")
	flags.StringVar(&o.id, "id", "", "name of the node, for ever (default the address at its first start)")
	flags.StringVar(&o.bootstrap, "bootstrap", "", "begin a new cluster, with this node or with --bootstrap=ID=ADDRESS,...")
	flags.Lookup("bootstrap").NoOptDefVal = alone
	flags.StringVar(&o.join, "join", "", "HTTP address of a node whose cluster to join")
	flags.BoolVar(&o.nonvoter, "nonvoter", false, "with --join: without a vote")
	flags.StringVar(&o.tls.cert, "tls-cert", "", "certificate for the other nodes, in PEM")
	flags.StringVar(&o.tls.key, "tls-key", "", "its key")
	flags.StringVar(&o.tls.ca, "tls-ca", "", "authority of the certificates of all nodes")
}

// check returns an error if the flags do not fit together.
func (o *nodeOptions) check() error {
	switch {
	case o.raft == "" && *o != (nodeOptions{}):
		return usage("--dir, --id, --bootstrap, --join and --tls-... are for a node: give --raft, too")
	case o.raft == "":
		return nil
	case o.dir == "":
		return usage("--raft: give the node a directory with --dir")
	case o.bootstrap != "" && o.join != "":
		return usage("give --bootstrap for a new cluster, or --join, not both")
	case o.nonvoter && o.join == "":
		return usage("--nonvoter is for --join")
	}
	if host, _, err := net.SplitHostPort(o.raft); err != nil {
		return usage("--raft %s: want an address and a port, such as localhost:4701", o.raft)
	} else if o.advertise == "" && isWildcard(host) {
		return usage("--raft %s listens on all addresses: say with --advertise which one the other nodes dial", o.raft)
	}
	return nil
}

func isWildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// address returns the address that other nodes dial, or "" for that of the listener, which has a free port.
func (o *nodeOptions) address() string {
	if _, port, _ := net.SplitHostPort(o.raft); o.advertise == "" && port == "0" {
		return ""
	}
	return cmp.Or(o.advertise, o.raft)
}

// A server is a node that is served over HTTP.
type server struct {
	*raftstore.Node
	o       *serveOptions
	log     *slog.Logger
	id      raft.ServerID
	address raft.ServerAddress
	isNew   bool // the directory was empty
}

// serveNode serves a node until ctx ends, or the node does.
func (o *serveOptions) serveNode(ctx context.Context, log *slog.Logger) (err error) {
	if err := o.parseRegions(); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	n, err := o.openNode(log, end)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	tasks := make(chan error, 1)
	go func() {
		err := n.live(ctx)
		if err != nil {
			end(err)
		}
		tasks <- err
	}()
	o.Logger, o.Freshness = log, rafthttp.Freshness(n.Node, 0)
	handler, err := n.mux()
	if err == nil {
		err = o.listenAndServe(ctx, handler, n.Store(), n.giveAway)
	}
	end(nil)
	if ended, ok := errors.AsType[*endedError](context.Cause(ctx)); ok {
		err = errors.Join(ended, err)
	}
	<-tasks
	return err
}

// An endedError is why a node ended by itself.
type endedError struct{ error }

func (e *endedError) Unwrap() error { return e.error }

// openNode opens the node.
func (o *serveOptions) openNode(log *slog.Logger, end func(error)) (*server, error) {
	c, err := o.node.tls.config()
	if err != nil {
		return nil, err
	}
	t, err := raftstore.NewTransport(o.node.raft, &raftstore.TransportOptions{Advertise: o.node.address(), TLS: c, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("--raft: %w", err)
	}
	n := &server{o: o, log: log, address: t.LocalAddr()}
	if n.id, err = o.node.identify(n.address); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	halted := func(err error) {
		end(&endedError{fmt.Errorf("%w (to remove it: allocctl cluster leave --addr OTHER-NODE %s)", err, n.id)})
	}
	n.Node, err = raftstore.Open(o.node.dir, &raftstore.Config{ID: n.id, Transport: t, Halted: halted, Logger: log, Raft: tune})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	n.isNew = n.Raft().LastIndex() == 0
	return n, nil
}

// tune has followers told earlier of commits. They learn of one with the next message, which raft sends after 50 to 100 ms if
// there is nothing else to say; a write through a follower waits for it.
func tune(c *raft.Config) { c.CommitTimeout = commitTimeout }

// identify returns the ID of the node, which a file in its directory keeps: a node that is started with another
// address is the same one.
func (o *nodeOptions) identify(address raft.ServerAddress) (raft.ServerID, error) {
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return "", err
	}
	path := filepath.Join(o.dir, "id")
	text, err := os.ReadFile(path)
	is := strings.TrimSpace(string(text))
	switch {
	case err == nil && is == "":
		return "", fmt.Errorf("%s is empty: write the node's ID into it", path)
	case err == nil && o.id != "" && o.id != is:
		return "", usage("--id %s: the node in %s is %s, for ever", o.id, o.dir, is)
	case err == nil:
		return raft.ServerID(is), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	id := cmp.Or(o.id, string(address))
	f := newFile{path: path, perm: 0o644, mayReplace: func(path string) error { return fmt.Errorf("%s: %w", path, fs.ErrExist) }}
	return raft.ServerID(id), f.write(func(w io.Writer) error {
		_, err := fmt.Fprintln(w, id)
		return err
	})
}

// mux returns the handler of all paths.
func (n *server) mux() (http.Handler, error) {
	mux, registry, count := newMux(n.Store(), &n.o.Options)
	registry.MustRegister(nodeCollector{n.Node})
	admin := count(rafthttp.New(n.Node, &rafthttp.Options{Logger: n.log}))
	mux.Handle("/v1/status/", admin)
	mux.Handle("/v1/operator/", admin)
	mux.Handle("/v1/allocstore/", admin)
	return mux, raftTimings(registry)
}

// giveAway gives the leadership to another node before this one ends.
func (n *server) giveAway(ctx context.Context) {
	if n.Raft().State() != raft.Leader {
		return
	}
	if members, err := n.Members(); err != nil || len(members) < 2 {
		return
	}
	if err := n.Transfer(ctx, ""); err != nil {
		n.log.Warn("the leadership was not given away", "error", err)
	}
}

// live begins or joins the cluster, and then watches whether the node is still a member.
func (n *server) live(ctx context.Context) error {
	var err error
	switch {
	case n.o.node.bootstrap != "":
		err = n.begin(ctx)
	case n.o.node.join != "":
		err = n.enter(ctx)
	}
	if err == nil {
		err = n.watch(ctx)
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return &endedError{err}
}
