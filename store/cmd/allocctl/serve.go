package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"allocstore/store"
	"allocstore/store/httpapi"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	httpapi.Options
	listen, addressFile string
	regions             map[string]string
	grace               time.Duration
	node                nodeOptions
}

func newServe(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the store over HTTP",
		Long: `Serve /v1/allocation/<ID> as Nomad does, and beside it:

  /health                     200 as long as the store is well
  /metrics                    the store's counts, for Prometheus
  /v1/allocctl/allocations    lists, for allocctl list --addr

The file is open read-only: other processes can read it meanwhile, and none can write to it. A
scheduler serves its own store with package httpapi. SIGINT and SIGTERM end blocked requests, wait
for the others, and then end the process.

With --raft the process is a node of a cluster. It has a directory in place of a file, and writes to it: see
allocctl cluster, and allocctl import --addr. Each node answers as the leader would, and with ?stale from its own content.
Beside the paths above it serves

  /v1/status/, /v1/operator/raft/, /v1/operator/snapshot     as Nomad does
  /v1/allocstore/apply, join, status                         see package rafthttp

Every client that reaches --listen can write, and every one that reaches --raft too, unless it has TLS. So
listen on a loopback address, or put a proxy before it. The first node has --bootstrap, and all others have --join. A
command line may be repeated as it is, for example after a crash: --bootstrap does nothing if the
node has a cluster, and --join if it is a member. A node that ends by a signal gives its leadership away first.
A node whose disk is full or damaged halts: the process ends, and says what to do.`,
		Example: `  allocctl -f state.db serve --listen 127.0.0.1:4646
  curl 'http://127.0.0.1:4646/v1/allocation/203266e5-e0d6-9486-5e05-397ed2b184af?pretty'
  allocctl serve --raft localhost:4701 --dir a --listen localhost:4601 --bootstrap
  allocctl serve --raft localhost:4702 --dir b --listen localhost:4602 --join localhost:4601`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.node.check(); err != nil {
				return err
			}
			if o.node.raft == "" {
				return a.onFile(func(_ *cobra.Command, _ []string, s *store.Store) error {
					return o.serve(cmd.Context(), s, a.logger())
				})(cmd, args)
			}
			if cmd.Flags().Changed("file") || cmd.Flags().Changed("addr") {
				return usage("a node has --dir, and neither --file nor --addr")
			}
			return o.serveNode(cmd.Context(), a.logger())
		},
	}
	flags := cmd.Flags()
	o.node.register(flags)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:4646", "address to listen on; port 0 means any free port")
	flags.StringVar(&o.addressFile, "address-file", "", "file to write the address to, when the server listens: a new one, or one with an address")
	flags.StringVar(&o.Region, "region", httpapi.DefaultRegion, "this server's region")
	flags.StringToStringVar(&o.regions, "regions", nil, "addresses of other regions, such as eu=http://10.0.0.1:4646")
	flags.BoolVar(&o.DisplayMessages, "display-messages", false, "add a sentence for people to every task event")
	flags.IntVar(&o.MaxWaits, "max-waits", httpapi.DefaultMaxWaits, "limit of blocked requests; a negative one means 0")
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "time for requests to end after a signal")
	return cmd
}

// parseRegions parses the addresses of the other regions.
func (o *serveOptions) parseRegions() error {
	o.Regions = make(map[string]*url.URL)
	for region, addr := range o.regions {
		to, err := url.Parse(addr)
		if err != nil {
			return usage("--regions %s: %v", region, err)
		}
		o.Regions[region] = to
	}
	if err := o.Validate(); err != nil {
		return usage("--regions: %v", err)
	}
	return nil
}

// serve serves until ctx ends.
func (o *serveOptions) serve(ctx context.Context, s *store.Store, log *slog.Logger) error {
	if err := o.parseRegions(); err != nil {
		return err
	}
	o.Logger = log
	mux, _, _ := newMux(s, &o.Options)
	return o.listenAndServe(ctx, mux, s, func(context.Context) {})
}

// listenAndServe serves until ctx ends. Then leave is called first, within the time of grace.
func (o *serveOptions) listenAndServe(ctx context.Context, h http.Handler, s *store.Store, leave func(context.Context)) error {
	log := o.Logger
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	if o.addressFile != "" {
		write := func() (bool, error) { return true, writeAddress(o.addressFile, address) }
		if _, err := untilDone(ctx, write, func(bool) {}); err != nil { // it may be a named pipe
			return errors.Join(err, listener.Close())
		}
	}
	server := httpapi.NewServer("", h)
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	log.Info("serving", "address", address, "index", s.LastIndex(), "allocations", s.Stats().Allocations)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	log.Info("ending")
	// Blocked requests, here or in another region, end with ctx. Answers that a client is reading go on.
	grace, cancel := context.WithTimeout(context.Background(), o.grace)
	defer cancel()
	leave(grace)
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("ending: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// newMux returns the handler of all paths, the registry of /metrics, and a function that counts the requests to a handler.
func newMux(s *store.Store, opts *httpapi.Options) (*http.ServeMux, *prometheus.Registry, func(http.Handler) http.Handler) {
	metrics, count := newMetrics(s)
	mux := http.NewServeMux()
	mux.Handle("/", count(httpapi.New(s, opts)))
	mux.Handle("GET "+listPath, count(freshFirst(opts.Freshness, serveList(s))))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		err := s.Err()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		sn, err := s.Snapshot()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer sn.Close()
		fmt.Fprintf(w, "ok, index %d\n", sn.Index())
	})
	return mux, metrics, count
}

// freshFirst returns a handler that brings the store up to date before h reads it, as the request asks. A nil fresh is for
// a store that is no replica.
func freshFirst(fresh func(context.Context, httpapi.Consistency) (httpapi.Contact, error), h http.Handler) http.Handler {
	if fresh == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := httpapi.ConsistencyOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		contact, err := fresh(r.Context(), c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		contact.SetHeader(w.Header())
		h.ServeHTTP(w, r)
	})
}
