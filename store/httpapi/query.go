package httpapi

import (
	"cmp"
	"net/url"
	"strconv"
	"time"

	"allocstore/store"
)

// A query holds the parameters of a request.
type query struct {
	store.QueryOptions
	region      string
	consistency Consistency
	as          form
}

// parseQuery parses the parameters. Errors are refusals.
func parseQuery(raw string) (q query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, badRequest("parameters: %v", err)
	}
	for _, name := range []string{"index", "wait", "region", "stale", "consistent", "pretty"} {
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

// set sets a parameter. An empty value is the same as no parameter, except that pretty, stale and consistent need no
// value. want says which values are valid.
func (q *query) set(name, text string) (valid bool, want string) {
	switch {
	case name == "pretty" && text != "0":
		q.as |= pretty
	case name == "stale", name == "consistent":
		return q.setConsistency(name, text)
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
	case "region":
		q.region = text
	}
	return err == nil, want
}

// setConsistency sets stale or consistent. It is an error to ask for both.
func (q *query) setConsistency(name, text string) (valid bool, want string) {
	on, err := strconv.ParseBool(cmp.Or(text, "true"))
	if err != nil {
		return false, "true, false or nothing"
	}
	asked := Stale
	if name == "consistent" {
		asked = Consistent
	}
	if on && q.consistency != Default {
		return false, "either stale or consistent"
	}
	if on {
		q.consistency = asked
	}
	return true, ""
}
