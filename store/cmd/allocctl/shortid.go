package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/httpapi"
)

// maxMatches is the number of allocations that the error of an ambiguous short ID names.
const maxMatches = 10

// wholeID returns the ID of the one allocation of s whose ID begins with the argument. A whole ID is
// returned as it is, whether or not s has it.
func wholeID(ctx context.Context, s source, arg string) (string, error) {
	id, err := schema.ParseID(arg)
	if err == nil {
		return id.String(), nil
	}
	if _, _, e := schema.IDRange(arg); arg == "" || e != nil {
		return "", err
	}
	var matches []string
	var failed error // of an allocation that cannot be read, which is a match too
	more := false
	for alloc, err := range s.List(ctx, filter{Prefix: arg}) {
		if more = len(matches) == maxMatches; more {
			break
		}
		if err == nil {
			matches = append(matches, alloc.ID)
		} else if failed == nil {
			failed = err
		}
	}
	switch {
	case len(matches) > 1, len(matches) == 1 && errors.Is(failed, store.ErrCorrupt):
		return "", ambiguous(arg, matches, more || failed != nil)
	case failed != nil:
		return "", noShortID(arg, failed)
	case len(matches) == 0:
		return "", fmt.Errorf("%w: no ID begins with %s", store.ErrNotFound, arg)
	}
	return matches[0], nil
}

// ambiguous returns the error of a short ID with several matches. It names those given.
func ambiguous(arg string, matches []string, more bool) error {
	names := strings.Join(matches, "\n  ")
	if more {
		names += "\n  and others"
	}
	return usage("ID %s: it begins the IDs of several allocations:\n  %s", arg, names)
}

// noShortID explains the error of a list. A process that serves the endpoint alone has no lists.
func noShortID(arg string, err error) error {
	var status *httpapi.StatusError
	if errors.As(err, &status) && status.Code == http.StatusNotFound {
		return usage("ID %s: only a process of allocctl serve finds an allocation by a part of its ID, and %s is another: give the whole ID", arg, status.Address)
	}
	return err
}
