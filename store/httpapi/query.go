package httpapi

import (
	"net/url"
	"strconv"
	"time"

	"allocstore/store"
)

// A query is what the parameters of a request say.
type query struct {
	store.QueryOptions
	region string
	as     form
}

// parseQuery reads the parameters. Errors are refusals.
func parseQuery(raw string) (q query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, bad("parameters: %v", err)
	}
	for _, p := range []struct {
		name string
		take func(string) error
	}{{"index", q.index}, {"wait", q.wait}, {"region", q.setRegion}, {"stale", stale}, {"pretty", q.setPretty}} {
		switch given := values[p.name]; len(given) {
		case 0:
		case 1:
			if err := p.take(given[0]); err != nil {
				return q, err
			}
		default:
			return q, bad("%s is given %d times", p.name, len(given))
		}
	}
	return q, nil
}

func (q *query) index(text string) (err error) {
	if q.MinQueryIndex, err = strconv.ParseUint(text, 10, 64); err != nil {
		return bad("index %q: want a number from 0 to 2^64-1", text)
	}
	return nil
}

func (q *query) wait(text string) (err error) {
	if q.MaxQueryTime, err = time.ParseDuration(text); err != nil {
		return bad("wait %q: want a duration such as 60s or 5m", text)
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

func stale(text string) error {
	switch text {
	case "", "true", "false":
		return nil
	}
	return bad("stale %q: want true, false or nothing", text)
}
