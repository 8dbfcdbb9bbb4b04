package main

import (
	"allocstore/schema"
)

// maxMoved bounds the allocations that moved returns. Only hostile input has more.
const maxMoved = 10 * importBatch

// moved returns the allocations whose NextAllocation the upserts of part would move, in the order in which
// to upsert them again, after part.
//
// An upsert sets the NextAllocation of the allocation that the new one replaces. That is right for a
// placement. An import has the allocations in the order of their last changes: of two that replace the same
// one, the one placed first may come last, and in a later batch. So the NextAllocation of an allocation is
// that of its own line. Without a line in part it stays as the store has it, which may be that of an earlier
// line.
//
// Upserting these again moves the NextAllocation of those that they replace in turn. So each comes before the
// one that it replaces. Allocations that replace each other in a circle have no such order, and are left out.
func (im *importer) moved(part []imported) []*schema.Allocation {
	lines := make(map[schema.ID]*schema.Allocation, len(part)) // the last one of each ID
	links := make([]*schema.Allocation, 0, len(part))
	for _, line := range part {
		lines[idOf(line.ID)] = line.Allocation
		links = append(links, line.Allocation)
	}
	again := make(map[schema.ID]*schema.Allocation)
	for i := 0; i < len(links) && len(again) < maxMoved; i++ {
		a := links[i]
		previous := idOf(a.PreviousAllocation)
		if a.PreviousAllocation == "" || again[previous] != nil {
			continue
		}
		replaced := lines[previous]
		if replaced == nil {
			replaced, _ = im.s.Get(a.PreviousAllocation) // if it cannot be read, there is nothing to keep
		}
		if replaced != nil && (replaced.NextAllocation == "" || idOf(replaced.NextAllocation) != idOf(a.ID)) {
			again[previous] = replaced
			links = append(links, replaced)
		}
	}
	return newestFirst(again, links[len(part):])
}

// newestFirst returns the allocations, which are those of byID, so that each comes before the one that it replaces.
func newestFirst(byID map[schema.ID]*schema.Allocation, all []*schema.Allocation) (ordered []*schema.Allocation) {
	waiting := make(map[*schema.Allocation]int) // the number of those that must come before it
	replaced := func(a *schema.Allocation) *schema.Allocation {
		if a.PreviousAllocation == "" {
			return nil
		}
		return byID[idOf(a.PreviousAllocation)]
	}
	for _, a := range all {
		waiting[replaced(a)]++
	}
	for _, a := range all {
		for a != nil && waiting[a] == 0 {
			ordered = append(ordered, a)
			waiting[a] = -1 // it is in the order
			if a = replaced(a); a != nil {
				waiting[a]--
			}
		}
	}
	return ordered
}

// idOf parses an ID that was valid when its allocation was read.
func idOf(text string) schema.ID {
	id, _ := schema.ParseID(text)
	return id
}
