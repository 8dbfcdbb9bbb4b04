package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
)

// A remote source is a store that another process serves: with package httpapi, and with allocctl serve
// for lists.
type remote struct {
	*httpapi.Client
	addr string
}

func newRemote(addr string) (remote, error) {
	addr = addressOf(addr)
	client, err := httpapi.NewClient(addr, nil)
	if err != nil {
		return remote{}, usage("--addr %q: want something like http://127.0.0.1:4646", addr)
	}
	return remote{client, addr}, nil
}

// maxAnswer is the largest text of an allocation that is taken from a process.
const maxAnswer = 1 << 30

// List reads the answer of serveList.
func (r remote) List(ctx context.Context, by filter) store.Allocations {
	return func(yield func(*schema.Allocation, error) bool) {
		answer, err := r.requestList(ctx, by)
		if err != nil {
			yield(nil, err)
			return
		}
		defer answer.Body.Close()
		from := newObjectReader(answer.Body, maxAnswer)
		o, err := from.next()
		for ; err == nil; o, err = from.next() {
			if a, err := schema.DecodeJSON(o.text); !yield(a, err) || err != nil {
				return
			}
		}
		if err == io.EOF {
			err = nil
		}
		if err == nil && answer.Trailer.Get(listError) != "" {
			err = errors.New(answer.Trailer.Get(listError))
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", answer.Request.URL.Redacted(), err))
		}
	}
}

// requestList returns the answer with the list. Any status but 200 is an error.
func (r remote) requestList(ctx context.Context, by filter) (*http.Response, error) {
	address := strings.TrimRight(r.addr, "/") + listPath + "?" + by.values().Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode == http.StatusOK {
		return answer, err
	}
	defer answer.Body.Close()
	return nil, statusError(answer)
}

// statusError returns the error of an answer whose status says that the request was refused.
func statusError(answer *http.Response) error {
	reason, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	return &httpapi.StatusError{Address: answer.Request.URL.Redacted(), Code: answer.StatusCode, Reason: strings.TrimSpace(string(reason))}
}
