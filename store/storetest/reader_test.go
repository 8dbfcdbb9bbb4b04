package storetest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/storetest"
)

func TestStorePasses(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for range 2 { // the second time with the remains of the first
		require.NoError(t, storetest.TestReader(t.Context(), s, s))
	}
}

// broken is a Reader with one fault.
type broken struct {
	*store.Store
	get  func(string, *schema.Allocation, error) (*schema.Allocation, error)
	wait func(store.WaitResult, error) (store.WaitResult, error)
}

func (b broken) Get(id string) (*schema.Allocation, error) {
	a, err := b.Store.Get(id)
	if b.get != nil {
		a, err = b.get(id, a, err)
	}
	return a, err
}

func (b broken) Wait(ctx context.Context, id string, opts store.QueryOptions) (store.WaitResult, error) {
	r, err := b.Store.Wait(ctx, id, opts)
	if b.wait != nil {
		r, err = b.wait(r, err)
	}
	return r, err
}

// TestBrokenReadersFail tests the suite: each Reader has one fault, and the suite must name the rule
// that it breaks.
func TestBrokenReadersFail(t *testing.T) {
	t.Parallel()
	for rule, reader := range map[string]broken{
		"reads as it was written": {get: func(_ string, a *schema.Allocation, err error) (*schema.Allocation, error) {
			if a = a.Clone(); a != nil {
				a.AllocModifyIndex = 0
			}
			return a, err
		}},
		"upper case": {get: func(id string, a *schema.Allocation, err error) (*schema.Allocation, error) {
			if id != strings.ToLower(id) {
				return nil, store.ErrNotFound
			}
			return a, err
		}},
		"ErrInvalidID": {get: func(_ string, a *schema.Allocation, err error) (*schema.Allocation, error) {
			if err != nil {
				err = store.ErrNotFound
			}
			return a, err
		}},
		"latest ten events": {get: func(_ string, a *schema.Allocation, err error) (*schema.Allocation, error) {
			if a = a.Clone(); a != nil {
				a.TaskStates = nil
			}
			return a, err
		}},
		"not found": {get: func(_ string, a *schema.Allocation, err error) (*schema.Allocation, error) {
			if errors.Is(err, store.ErrNotFound) {
				return new(schema.Allocation), nil
			}
			return a, err
		}},
		"no answer has index 0": {wait: func(r store.WaitResult, err error) (store.WaitResult, error) {
			r.Index = 0
			return r, err
		}},
		"a deletion ends a wait": {wait: func(r store.WaitResult, err error) (store.WaitResult, error) {
			if r.Outcome == store.Deleted {
				r.Index++
			}
			return r, err
		}},
		"runs out of time": {wait: func(r store.WaitResult, err error) (store.WaitResult, error) {
			if r.Outcome == store.TimedOut {
				err = context.DeadlineExceeded
			}
			return r, err
		}},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			reader.Store = storetest.Open(t)
			err := storetest.TestReader(t.Context(), reader.Store, reader)
			require.ErrorContains(t, err, "rule broken")
			require.ErrorContains(t, err, rule)
		})
	}
}
