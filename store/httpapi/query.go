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

// set sets a parameter. want says which values are valid.
func (q *query) set(name, text string) (valid bool, want string) {
	var err error
	switch name {
	case "index":
		q.MinQueryIndex, err = strconv.ParseUint(text, 10, 64)
		return err == nil, "a number from 0 to 2^64-1"
	case "wait":
		q.MaxQueryTime, err = time.ParseDuration(text)
		return err == nil, "a duration such as 60s or 5m"
	case "stale":
		return text == "" || text == "true" || text == "false", "true, false or nothing"
	case "region":
		q.region = text
	case "pretty":
		if text != "0" {
			q.as |= pretty
		}
	}
	return true, ""
}
