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
for the others, and then end the process.`,
		Example: `  allocctl -f state.db serve --listen 127.0.0.1:4646
  curl 'http://127.0.0.1:4646/v1/allocation/203266e5-e0d6-9486-5e05-397ed2b184af?pretty'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.onFile(func(cmd *cobra.Command, _ []string, s *store.Store) error {
			return o.serve(cmd.Context(), s, a.logger())
		}),
	}
	flags := cmd.Flags()
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
	server := httpapi.NewServer("", newMux(s, &o.Options))
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
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("ending: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// newMux returns the handler of all paths.
func newMux(s *store.Store, opts *httpapi.Options) http.Handler {
	metrics, count := newMetrics(s)
	mux := http.NewServeMux()
	mux.Handle("/", count(httpapi.New(s, opts)))
	mux.Handle("GET "+listPath, count(serveList(s)))
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
	return mux
}
