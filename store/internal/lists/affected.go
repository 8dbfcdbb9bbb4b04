package lists

// EachAffected calls fn, under the lock, for each variant of a list that the change affects. Only the
// goroutine that applies the changes may call it, before it applies this one or directly after.
func (ls *Lists) EachAffected(c *Change, fn func(n Name, v Variant)) {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	ls.eachLocked(c, func(l *list, was, is bool) {
		affected, _, _ := c.effect(l.name.Kind, was, is)
		for v := range Variant(variants) {
			if affected.has(v) {
				fn(l.name, v)
			}
		}
	})
}

// AppendAffected appends to ids the WatchIDs to notify of the change: those of the lists that it
// affects, and of the prefixes of its ID, if their class is in waited. It may be called as
// EachAffected.
func (ls *Lists) AppendAffected(ids []WatchID, c *Change, waited *ClassSet) []WatchID {
	ls.EachAffected(c, func(n Name, v Variant) {
		if n.Named() && waited.has(ClassOf(n.Kind, v)) {
			ids = append(ids, n.Watch(v))
		}
	})
	affected := c.affectedOfAll()
	for class := range waited.all(PrefixClass(0, 0)) {
		v := Variant(class % variants)
		if affected.has(v) {
			ids = append(ids, Prefix(c.ID, int(class-PrefixClass(0, 0))/variants, v))
		}
	}
	return ids
}

// affectedOfAll returns the variants of the list of all allocations that the change affects.
func (c *Change) affectedOfAll() variantSet {
	affected, _, _ := c.effect(Everything, !c.Was.Nowhere(), !c.Is.Nowhere())
	return affected
}

// AffectsAll reports whether the change affects a variant of the list of all allocations, and so of
// every prefix of its ID.
func (c *Change) AffectsAll(v Variant) bool { return c.affectedOfAll().has(v) }

// LeavesUnplaced reports whether it was unknown in which lists the allocation is, and is known now.
// The allocation may have left any list.
func (c *Change) LeavesUnplaced() bool { return c.Was.Unplaced() && !c.Is.Unplaced() }
