package raftstore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// FuzzEntry decodes arbitrary bytes. An entry that decodes is encoded again, and is the same.
func FuzzEntry(f *testing.F) {
	data, _ := upsert(1).MarshalBinary()
	for _, e := range []entry{{}, {mark: true}, {audit: &digest{7, 5, 1 << 63}}, {batch: data, limits: store.Limits{AllocationBytes: 1 << 20, BatchBytes: 5, Floor: 77}}, {batch: []byte{}}} {
		f.Add(e.encode())
	}
	f.Add([]byte{2, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := cutSum(b); err != nil {
			b = appendSum(b)
		}
		e, err := decodeEntry(b)
		if err != nil {
			require.True(t, errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrFormatVersion), "%v", err)
			return
		}
		again, err := decodeEntry(e.encode())
		require.NoError(t, err)
		require.Equal(t, e, again)
		_, _, _ = decodeLog(&raft.Log{Index: 9, Type: raft.LogCommand, Data: b})
	})
}

// FuzzAnswer decodes arbitrary bytes as answers. Neither may panic, and no wrong bytes are an outcome.
func FuzzAnswer(f *testing.F) {
	f.Add(appendOutcome(nil, &outcome{7, store.Result{Applied: store.Applied{Index: 7, Unknown: []string{"a", "b"}, Unchanged: 2}}}))
	f.Add(appendOutcome(nil, &outcome{7, store.Result{Err: &store.ConflictError{ID: "a", Expected: 1, Actual: 2}}}))
	f.Add(appendOutcome(nil, &outcome{7, store.Result{Err: &store.ConflictError{List: store.Node("n").Placements(), Expected: 1, Actual: 2}}}))
	f.Add(appendFailure(nil, ErrNotLeader))
	f.Add(appendFailure(nil, ErrOutcomeUnknown))
	f.Add(appendFailure(nil, store.ErrInvalid))
	f.Add(appendIndex(9))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeAnswer(b)
		if err == nil && (len(b) == 0 || b[0] != answerApplied && b[0] != answerRefused) {
			t.Fatalf("%x is %v", b, o)
		}
		if at, err := decodeIndex(b); err == nil {
			again, err := decodeIndex(appendIndex(at))
			require.NoError(t, err)
			require.Equal(t, at, again)
		}
	})
}

// FuzzFrame reads arbitrary bytes as frames.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, 7, []byte("abc")))
	f.Add(appendFrame(nil, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		number, payload, err := readFrame(bytes.NewReader(b), 1000)
		if err == nil {
			require.Equal(t, b[:frameHead+len(payload)], appendFrame(nil, number, payload))
		}
	})
}

// FuzzMeta decodes arbitrary bytes under a right checksum.
func FuzzMeta(f *testing.F) {
	m := meta{Index: 7, Term: 2}
	data, _ := m.encode()
	_, body, _ := bytes.Cut(data, []byte("\n"))
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeMeta(append(sumLine(body), body...))
		if err != nil {
			require.True(t, errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrFormatVersion), "%v", err)
			return
		}
		require.NotZero(t, m.Index)
	})
}
