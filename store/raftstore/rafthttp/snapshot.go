package rafthttp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/hashicorp/raft"

	"allocstore/store"
	"allocstore/store/raftstore"
)

// save answers with a backup of this node's content. It is written twice, as of one moment: the Digest comes first.
func (h *handler) save(w http.ResponseWriter, r *http.Request) (err error) {
	if err := h.current(w, r); err != nil {
		return err
	}
	b, err := h.node.Store().PrepareBackup()
	if err != nil {
		return err
	}
	defer b.Close()
	sum := sha256.New()
	info, err := b.Write(r.Context(), sum)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(info.Bytes, 10))
	header.Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	header.Set("X-Nomad-Index", strconv.FormatUint(info.Index, 10))
	if _, err := b.Write(r.Context(), w); err != nil {
		h.opts.Logger.WarnContext(r.Context(), "allocstore: a backup was not sent to its end", "error", err)
	}
	return nil // a short body is an error for the client
}

// restore replaces the content of all nodes.
func (h *handler) restore(w http.ResponseWriter, r *http.Request) error {
	n := h.node
	if n.Raft().State() != raft.Leader {
		address, id := n.Raft().LeaderWithID()
		if address == "" {
			return raftstore.ErrNotLeader
		}
		return &Problem{KindUnavailable, fmt.Sprintf("only the leader restores: ask %s, whose raft address is %s", id, address), http.StatusMisdirectedRequest}
	}
	body := &failing{Reader: newBody(w, r, h.opts.MaxSnapshotBytes)}
	err := n.Restore(context.WithoutCancel(r.Context()), body)
	switch {
	case err != nil && body.err != nil && !errors.Is(err, raftstore.ErrOutcomeUnknown):
		return fmt.Errorf("%w: the backup did not arrive: %w", store.ErrInvalid, body.err)
	case err != nil:
		return err
	}
	h.setIndex(w)
	return nil
}

// A failing notes the error of a reader.
type failing struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(p []byte) (n int, err error) {
	if n, err = f.Reader.Read(p); err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
