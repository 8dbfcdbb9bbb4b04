package httpapi

import (
	"cmp"
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

// Options are the settings of a handler. A nil *Options and a zero field mean the
// default.
type Options struct {
	// Region is the region that this handler answers for. Default "global".
	Region string

	// Regions are the addresses of agents of other regions: scheme, host, and a path
	// before /v1 if there is one. Requests for them are passed on as they are, and blocked as
	// long as they block there. Those that do not block have to be answered within 30 seconds.
	Regions map[string]*url.URL

	// DisplayMessages adds the key DisplayMessage to every task event in an answer: a
	// sentence for people. The stored event does not have it.
	DisplayMessages bool

	// MaxWaits is how many requests may be blocked at once, those that are passed on
	// included. One more is answered 429. Default 100,000; below 0 none may be.
	MaxWaits int

	// MaxRequestBytes bounds the request line and the headers. What is larger is
	// answered 431. Default 16 KiB.
	MaxRequestBytes int

	// MaxCacheBytes bounds the memory of encoded answers. Default 32 MiB; below 0 none is
	// kept.
	MaxCacheBytes int

	// Transport is what requests to other regions are made with. Default is one of
	// the handler's own, like http.DefaultTransport but for compression, which is the
	// client's business.
	Transport http.RoundTripper

	// Logger is told of answers that are no fault of the client. Nil means
	// [slog.Default].
	Logger *slog.Logger
}

// Validate reports every setting that cannot be, at once: an address of a region that is
// nil or not one of HTTP, and a negative MaxRequestBytes. A nil o is valid. Errors are
// store.ErrInvalid.
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

// checkAddress says why requests cannot be passed on to that address, if so.
func checkAddress(region string, to *url.URL) error {
	if to == nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return fmt.Errorf("%w: Options.Regions[%q] is %v: want http or https and a host", store.ErrInvalid, region, to)
	}
	return nil
}

// withDefaults returns a copy of o in which no field is zero.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	c.Region = cmp.Or(c.Region, DefaultRegion)
	c.MaxWaits = cmp.Or(c.MaxWaits, DefaultMaxWaits)
	c.MaxRequestBytes = cmp.Or(c.MaxRequestBytes, DefaultMaxRequestBytes)
	c.MaxCacheBytes = cmp.Or(c.MaxCacheBytes, DefaultMaxCacheBytes)
	if c.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableCompression = true
		c.Transport = transport
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
