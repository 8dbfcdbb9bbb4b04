package httpapi

import (
	"net/url"
	"strconv"
	"time"

	"allocstore/store"
)

// A query holds the parameters of a request.
type query struct {
	store.QueryOptions
	region string
	as     form
}

// parseQuery parses the parameters. Errors are refusals.
func parseQuery(raw string) (q query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, badRequest("parameters: %v", err)
	}
	for _, p := range []struct {
		name string
		set  func(string) error
	}{{"index", q.setIndex}, {"wait", q.setWait}, {"region", q.setRegion}, {"stale", checkStale}, {"pretty", q.setPretty}} {
		switch given := values[p.name]; len(given) {
		case 0:
		case 1:
			if err := p.set(given[0]); err != nil {
				return q, err
			}
		default:
			return q, badRequest("%s is given %d times", p.name, len(given))
		}
	}
	return q, nil
}

func (q *query) setIndex(text string) (err error) {
	if q.MinQueryIndex, err = strconv.ParseUint(text, 10, 64); err != nil {
		return badRequest("index %q: want a number from 0 to 2^64-1", text)
	}
	return nil
}

func (q *query) setWait(text string) (err error) {
	if q.MaxQueryTime, err = time.ParseDuration(text); err != nil {
		return badRequest("wait %q: want a duration such as 60s or 5m", text)
	}
	return nil
}

func (q *query) setRegion(text string) error {
	q.region = text
	return nil
}

func (q *query) setPretty(text string) error {
	if text != "0" {
		q.as |= pretty
	}
	return nil
}

func checkStale(text string) error {
	switch text {
	case "", "true", "false":
		return nil
	}
	return badRequest("stale %q: want true, false or nothing", text)
}
