package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"allocstore/store"
)

// Defaults of Options.
const (
	DefaultRegion          = "global"
	DefaultMaxWaits        = 100_000
	DefaultMaxRequestBytes = 16 << 10
	DefaultMaxCacheBytes   = 32 << 20
)

// Options are the settings of a handler. A nil *Options and a zero field mean the default.
type Options struct {
	// Region is the region of this handler. Default "global".
	Region string

	// Regions are the addresses of agents of other regions: scheme, host, and optionally a path
	// before /v1. The handler passes requests on to them unchanged, and blocks as long as they
	// block. A request that does not block must be answered within 30 seconds.
	Regions map[string]*url.URL

	// DisplayMessages adds the key DisplayMessage to every task event in an answer: a sentence for
	// people. The stored event does not have it.
	DisplayMessages bool

	// MaxWaits bounds the blocked requests, including those that are passed on. One more is
	// answered 429. Default 100,000; a negative value means 0.
	MaxWaits int

	// MaxRequestBytes bounds the request line and the headers. A larger request is answered 431.
	// Default 16 KiB.
	MaxRequestBytes int

	// MaxCacheBytes bounds the memory for encoded answers. Default 32 MiB; a negative value turns
	// the cache off.
	MaxCacheBytes int

	// Transport sends the requests to other regions. The default is like http.DefaultTransport
	// without compression, which is left to the client.
	Transport http.RoundTripper

	// Freshness is called before the store is read for an answer. It returns when the store is as fresh as asked, and
	// what the node knows of the leader, for X-Nomad-LastContact and X-Nomad-KnownLeader. It may block until ctx
	// ends. After a request was blocked, it is called again with Stale. Errors: ErrNoLeader is answered 500, ErrBehind 503; the
	// others as those of the store. Nil is for a store that is no replica: it is always fresh.
	Freshness func(ctx context.Context, c Consistency) (Contact, error)

	// Logger logs the answers that are not the client's fault: status 500 and above. Nil means
	// [slog.Default].
	Logger *slog.Logger
}

// Validate reports every invalid setting at once: an address of a region that is nil or not an HTTP
// address, and a negative MaxRequestBytes. A nil o is valid. The errors are store.ErrInvalid.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	for region, to := range o.Regions {
		errs = append(errs, checkAddress(region, to))
	}
	if o.MaxRequestBytes < 0 {
		errs = append(errs, fmt.Errorf("%w: Options.MaxRequestBytes is %d", store.ErrInvalid, o.MaxRequestBytes))
	}
	return errors.Join(errs...)
}

// checkAddress returns an error unless the region has an HTTP address.
func checkAddress(region string, to *url.URL) error {
	if !isHTTP(to) {
		return fmt.Errorf("%w: Options.Regions[%q] is %v: want http or https and a host", store.ErrInvalid, region, to)
	}
	return nil
}

// isHTTP reports whether u can be the base of an HTTP request.
func isHTTP(u *url.URL) bool {
	return u != nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// withDefaults returns a copy of o in which no field is zero.
func (o *Options) withDefaults() Options {
	c := *cmp.Or(o, new(Options))
	c.Region = cmp.Or(c.Region, DefaultRegion)
	c.MaxWaits = cmp.Or(c.MaxWaits, DefaultMaxWaits)
	c.MaxRequestBytes = cmp.Or(c.MaxRequestBytes, DefaultMaxRequestBytes)
	c.MaxCacheBytes = cmp.Or(c.MaxCacheBytes, DefaultMaxCacheBytes)
	if c.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableCompression = true
		c.Transport = transport
	}
	if c.Freshness == nil {
		c.Freshness = alone
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}
