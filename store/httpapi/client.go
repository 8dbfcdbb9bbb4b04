package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"allocstore/schema"
	"allocstore/store"
)

// A Client reads from a handler of [New] over HTTP, as from a store. Any number of goroutines may use
// it at once. It does not retry. The allocations that it returns are the caller's own.
//
// Errors are ErrInvalidID, for which no request is sent, and ErrNotFound, as of a store; the error of
// ctx; a [*StatusError] for an answer with another status; and the errors of package net/http.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client of the handler at an address such as http://127.0.0.1:4646. It sends no
// request yet. An address that is not an HTTP one is ErrInvalid.
//
// A nil c means http.DefaultClient. A Timeout of c bounds waits, too: it should be above 11 minutes.
func NewClient(address string, c *http.Client) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: address: %w", store.ErrInvalid, err)
	}
	if !isHTTP(base) {
		return nil, fmt.Errorf("%w: address %q: want http or https and a host", store.ErrInvalid, base.Redacted())
	}
	return &Client{base, cmp.Or(c, http.DefaultClient)}, nil
}

// A StatusError is an answer that refuses a request.
type StatusError struct {
	Address string // of the handler, without a password
	Code    int    // the status code; see New
	Reason  string // the body, or the beginning of a long one
}

// Error returns the address, the status and the reason.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Address, e.Code, http.StatusText(e.Code), e.Reason)
}

// Get returns the allocation as it is now, like [store.Store.Get]. It blocks until the handler answers.
// To bound that by a context, use [Client.Wait] with MinQueryIndex 0.
func (c *Client) Get(id string) (*schema.Allocation, error) {
	r, err := c.Wait(context.Background(), id, store.QueryOptions{})
	if err == nil && r.Alloc == nil {
		err = fmt.Errorf("%w: %s", store.ErrNotFound, r.ID)
	}
	return r.Alloc, err
}

// Wait blocks until the allocation changes at an index above opts.MinQueryIndex, or is deleted, or the
// time is over, like [store.Store.Wait]. With MinQueryIndex 0 it returns as soon as the handler
// answers. Alloc, ID and Index of the result are those of the store.
//
// The endpoint does not send the outcome. Wait sets TimedOut if Index is not above MinQueryIndex, and
// Changed if the allocation's ModifyIndex is above it. A restore may be reported as Changed. Otherwise
// Outcome is 0: the allocation was deleted or is not found, or the store was restored.
func (c *Client) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return store.WaitResult{}, err
	}
	r := store.WaitResult{ID: parsed.String()}
	response, err := c.send(ctx, id, &opts)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	index := response.Header.Get("X-Nomad-Index")
	if code := response.StatusCode; code != http.StatusOK && (code != http.StatusNotFound || index == "") {
		return r, c.refusal(response)
	}
	if r.Index, err = strconv.ParseUint(index, 10, 64); err != nil {
		return r, fmt.Errorf("%s: not an endpoint of allocations: X-Nomad-Index %q", c.base.Redacted(), index)
	}
	if response.StatusCode == http.StatusOK {
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return r, fmt.Errorf("%s: read the answer: %w", c.base.Redacted(), err)
		}
		if r.Alloc, err = schema.DecodeJSON(text); err != nil {
			return r, fmt.Errorf("%s: decode the answer: %w", c.base.Redacted(), err)
		}
	}
	switch {
	case r.Index <= opts.MinQueryIndex:
		r.Outcome = store.TimedOut
	case r.Alloc != nil && r.Alloc.ModifyIndex > opts.MinQueryIndex:
		r.Outcome = store.Changed
	}
	return r, nil
}

// send sends the request for an allocation.
func (c *Client) send(ctx context.Context, id string, opts *store.QueryOptions) (*http.Response, error) {
	u := c.base.JoinPath(root, id)
	q := url.Values{"index": {strconv.FormatUint(opts.MinQueryIndex, 10)}}
	if opts.MaxQueryTime > 0 {
		q.Set("wait", opts.MaxQueryTime.String())
	}
	u.RawQuery = q.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return c.http.Do(request)
}

// refusal returns the error of an answer without an allocation.
func (c *Client) refusal(response *http.Response) error {
	reason, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return &StatusError{c.base.Redacted(), response.StatusCode, strings.TrimSpace(string(reason))}
}
