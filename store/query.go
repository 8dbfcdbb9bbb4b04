package store

import (
	"allocstore/schema"
	"allocstore/store/internal/state"
)

// A query selects a range of IDs of one list.
type query struct {
	list state.List
	ids  state.IDRange
	err  error // of a prefix that no ID can start with
}

// listQuery selects all IDs of a list.
func listQuery(kind state.ListKind, name string) query {
	return query{list: state.List{Kind: kind, Name: name}, ids: state.AllIDs()}
}

// prefixQuery selects all IDs that start with prefix.
func prefixQuery(prefix string) query {
	low, high, err := schema.IDRange(prefix)
	return query{list: state.List{Kind: state.Everything}, ids: state.IDRange{Low: low, High: high}, err: err}
}
