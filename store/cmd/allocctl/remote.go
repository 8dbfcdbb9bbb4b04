package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"allocstore/schema"
	"allocstore/store"
)

// remote is a store that another process serves: one of httpapi, and for lists an
// allocctl serve.
type remote struct{ base *url.URL }

func newRemote(addr string) (remote, error) {
	base, err := url.Parse(addr)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return remote{}, usage("--addr %q: want something like http://127.0.0.1:4646", addr)
	}
	return remote{base}, nil
}

func (r remote) Close() error { return nil }

func (r remote) Get(ctx context.Context, id string) (*schema.Allocation, error) {
	a, _, err := r.get(ctx, id, nil)
	return a, err
}

// Wait tells of the outcome what can be told of the answer: Changed, Deleted or TimedOut.
func (r remote) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	q := url.Values{"index": {strconv.FormatUint(opts.MinQueryIndex, 10)}}
	if opts.MaxQueryTime > 0 {
		q.Set("wait", opts.MaxQueryTime.String())
	}
	a, index, err := r.get(ctx, id, q)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	result := store.WaitResult{Alloc: a, ID: strings.ToLower(id), Index: index, Outcome: store.Changed}
	switch {
	case opts.MinQueryIndex > 0 && index <= opts.MinQueryIndex:
		result.Outcome = store.TimedOut
	case a == nil:
		result.Outcome = store.Deleted
	}
	return result, err
}

func (r remote) get(ctx context.Context, id string, q url.Values) (a *schema.Allocation, index uint64, err error) {
	if _, err := schema.ParseID(id); err != nil {
		return nil, 0, err
	}
	answer, err := r.ask(ctx, "/v1/allocation/"+id, q)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, 0, err
	}
	if index, err = strconv.ParseUint(answer.Header.Get("X-Nomad-Index"), 10, 64); err != nil {
		return nil, 0, fmt.Errorf("%s does not serve allocations: %s without an index", r.base.Redacted(), answer.Status)
	}
	if answer.StatusCode == http.StatusNotFound {
		return nil, index, fmt.Errorf("%w: %s", store.ErrNotFound, id)
	}
	a, err = schema.DecodeJSON(text)
	return a, index, err
}

// ask returns the answer to a GET, or what is wrong as an error: all but a 200, and the 404
// of an allocation.
func (r remote) ask(ctx context.Context, path string, q url.Values) (*http.Response, error) {
	to := r.base.JoinPath(path)
	to.RawQuery = q.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNotFound && answer.Header.Get("X-Nomad-Index") != "" {
		return answer, nil
	}
	defer answer.Body.Close()
	reason, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	err = fmt.Errorf("%s: %s: %s", r.base.Redacted(), answer.Status, strings.TrimSpace(string(reason)))
	if answer.StatusCode == http.StatusBadRequest {
		err = fmt.Errorf("%w: %w", errUsage, err)
	}
	return nil, err
}

// List reads what serveList writes.
func (r remote) List(ctx context.Context, by filter) store.Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		answer, err := r.ask(ctx, listPath, by.values())
		if err != nil {
			yield(nil, err)
			return
		}
		defer answer.Body.Close()
		lines := newLines(answer.Body)
		for lines.Scan() {
			if a, err := schema.DecodeJSON(lines.Bytes()); !yield(a, err) || err != nil {
				return
			}
		}
		if err = lines.Err(); err == nil && answer.Trailer.Get(listError) != "" {
			err = errors.New(answer.Trailer.Get(listError))
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", r.base.Redacted(), err))
		}
	}
}

// maxLine is the longest line of JSON that is read.
const maxLine = 16 << 20

// newLines returns what reads JSON lines.
func newLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return lines
}
