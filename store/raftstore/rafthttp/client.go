package rafthttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"allocstore/store"
	"allocstore/store/raftstore"
)

// maxAnswer bounds an answer that the client keeps in memory.
const maxAnswer = 64 << 20

// A Client sends requests to the handler of [New]. Any number of goroutines may use it at once. It does not retry.
//
// Errors: a [*Problem] for an answer that refuses the request, which has the identity of the node's own error;
// raftstore.ErrNotLeader if no connection was made; raftstore.ErrOutcomeUnknown if no answer came.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client of the node at an address such as http://127.0.0.1:4646. It sends no request yet. An address
// that is not an HTTP one is store.ErrInvalid. A nil c means http.DefaultClient.
func NewClient(address string, c *http.Client) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: address: %w", store.ErrInvalid, err)
	}
	if base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%w: address %q: want http or https and a host", store.ErrInvalid, base.Redacted())
	}
	return &Client{base, cmp.Or(c, http.DefaultClient)}, nil
}

// Apply applies a batch, as Node.Apply on the node. It blocks until the node answers. An Applied without an error is on the
// disks of a majority; the node shows it, unless that took longer than the handler's timeout.
func (c *Client) Apply(ctx context.Context, b *store.Batch) (store.Applied, error) {
	data, err := b.MarshalBinary()
	if err != nil {
		return store.Applied{}, err
	}
	var a applied
	if err := c.do(ctx, http.MethodPost, applyPath, nil, data, &a); err != nil {
		return store.Applied{}, err
	}
	return store.Applied{Index: a.Index, Unchanged: a.Unchanged, Unknown: a.Unknown}, nil
}

// Join adds a member, or gives it a new address.
func (c *Client) Join(ctx context.Context, j Join) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, joinPath, nil, data, new(Join))
}

// Status returns the status of each member, as the node knows it.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, statusPath, nil, nil, &s)
}

// Leave removes a member.
func (c *Client) Leave(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/operator/raft/peer", url.Values{"id": {id}}, nil, nil)
}

// Transfer gives the leadership to a voter, or to any of them if the ID is "".
func (c *Client) Transfer(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPut, "/v1/operator/raft/transfer-leadership", url.Values{"id": {id}}, nil, nil)
}

// do sends a request and decodes its answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, body []byte, out any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	answer, err := c.http.Do(r)
	if err != nil {
		return c.lost(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return c.lost(err)
	}
	if answer.StatusCode/100 != 2 {
		return c.refusal(answer.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%w: %s: the answer is not that of a node: %w", raftstore.ErrOutcomeUnknown, c.base.Redacted(), err)
	}
	return nil
}

// lost returns the error of a request without an answer. Before there is a connection nothing has happened.
func (c *Client) lost(err error) error {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", raftstore.ErrNotLeader, err)
	}
	return fmt.Errorf("%w: %w", raftstore.ErrOutcomeUnknown, err)
}

// refusal returns the problem of an answer, which is JSON or a line of text.
func (c *Client) refusal(status int, text []byte) error {
	p := new(Problem)
	if err := json.Unmarshal(text, p); err != nil || p.Text == "" {
		line, _, _ := strings.Cut(string(text[:min(len(text), 1<<10)]), "\n")
		p = &Problem{Kind: KindFailed, Text: cmp.Or(line, http.StatusText(status))}
		if line == "No cluster leader" {
			p.Kind = KindNotLeader
		}
	}
	p.Status = status
	return fmt.Errorf("%s: %w", c.base.Redacted(), p)
}
