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
	for _, name := range []string{"index", "wait", "region", "stale", "pretty"} {
		switch given := values[name]; len(given) {
		case 0:
		case 1:
			if valid, want := q.set(name, given[0]); !valid {
				return q, badRequest("%s %q: want %s", name, given[0], want)
			}
		default:
			return q, badRequest("%s is given %d times", name, len(given))
		}
	}
	return q, nil
}

// set sets a parameter. An empty value is the same as no parameter, except that pretty needs no value. want
// says which values are valid.
func (q *query) set(name, text string) (valid bool, want string) {
	if name == "pretty" && text != "0" {
		q.as |= pretty
	}
	if text == "" {
		return true, ""
	}
	var err error
	switch name {
	case "index":
		q.MinQueryIndex, err = strconv.ParseUint(text, 10, 64)
		want = "a number from 0 to 2^64-1"
	case "wait":
		q.MaxQueryTime, err = time.ParseDuration(text)
		want = "a duration such as 60s or 5m"
	case "stale":
		_, err = strconv.ParseBool(text)
		want = "true, false or nothing"
	case "region":
		q.region = text
	}
	return err == nil, want
}
