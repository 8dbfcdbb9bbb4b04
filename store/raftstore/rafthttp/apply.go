package rafthttp

import (
	"io"
	"net/http"

	"allocstore/store"
)

const applyPath = ownPaths + "apply"

// An applied is the answer to a batch.
type applied struct {
	Index     uint64
	Unchanged int      `json:",omitempty"`
	Unknown   []string `json:",omitempty"`
}

// apply applies a batch. It is applied also if the client hangs up.
func (h *handler) apply(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(newBody(w, r, h.opts.MaxBatchBytes))
	if err != nil {
		if p := problemOf(err); p.Kind == KindTooLarge {
			return p
		}
		return problem(KindInvalid, "the body: %v", err)
	}
	var b store.Batch
	if err := b.UnmarshalBinary(data); err != nil {
		return problem(KindInvalid, "the body is no batch: %v", err)
	}
	ctx, cancel := h.forWrite(r)
	defer cancel()
	var a store.Applied
	err = held(ctx, h.opts.Hold, func() (err error) {
		a, err = h.node.Apply(ctx, &b)
		return err
	})
	status := http.StatusOK
	if err != nil && a.Index > 0 {
		status, err = http.StatusAccepted, nil // it is applied, and this node does not show it
	}
	if err != nil {
		return err
	}
	h.setIndex(w)
	writeJSON(w, status, applied{a.Index, a.Unchanged, a.Unknown})
	return nil
}
