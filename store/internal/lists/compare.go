package lists

import (
	"cmp"
	"fmt"
	"slices"
)

// Differences returns how the indexes and the departures of ls, in use, differ from those of lists
// that were loaded later from the same file. Changes above the index last are not compared, nor
// those up to the floor of either: they may have been forgotten.
func (ls *Lists) Differences(loaded *Lists, last uint64) (found []string) {
	floor := max(ls.Floor(), loaded.Floor())
	names := map[Name]bool{{Kind: Everything}: true}
	for _, of := range [...]*Lists{ls, loaded} {
		of.addNames(names)
	}
	for n := range names {
		found = append(found, ls.difference(loaded, n, floor, last)...)
	}
	return found
}

// addNames adds the names of the lists of nodes, jobs and evaluations.
func (ls *Lists) addNames(to map[Name]bool) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	for kind := range ls.mu.named {
		for text := range ls.mu.named[kind].byName {
			to[Name{Kind(kind), text}] = true
		}
	}
}

// difference is Differences of one list. Nothing changes the loaded ones.
func (ls *Lists) difference(loaded *Lists, n Name, floor, last uint64) (found []string) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	used, want := ls.getLocked(n), loaded.getLocked(n)
	for v := range Variant(variants) {
		if got, is := used.indexAbove(floor, v), want.indexAbove(floor, v); got != is && max(got, is) <= last {
			found = append(found, fmt.Sprintf("list of %v, variant %d: its index is %d, by the file it is %d", n, v, got, is))
		}
	}
	if got, is := used.between(floor, last), want.between(floor, last); !slices.Equal(got, is) {
		found = append(found, fmt.Sprintf("list of %v: its %d departures are not the %d of the file", n, len(got), len(is)))
	}
	return found
}

// indexAbove returns the index of a variant of a list that may be nil, or the floor.
func (l *list) indexAbove(floor uint64, v Variant) uint64 {
	if l == nil {
		return floor
	}
	return max(floor, l.index[v])
}

// between returns the events above the floor and up to last, in no particular order within an
// index.
func (l *list) between(floor, last uint64) []event {
	if l == nil {
		return nil
	}
	events := slices.Clone(l.history[l.after(floor):l.after(last)])
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.index, b.index), a.id.Compare(b.id), cmp.Compare(a.kind, b.kind))
	})
	return events
}
