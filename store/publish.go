package store

// publish makes one batch of a committed group visible.
func (c *committer) publish(o *outcome) {
	changes := c.plan.changes[o.first:o.end]
	if len(changes) == 0 {
		return
	}
	var written, live int64
	for i := range changes {
		ch := &changes[i]
		written += int64(keyLen + len(ch.value))
		live += ch.v.bytes()
		if ch.before != nil {
			live -= ch.before.bytes()
		}
		c.s.publish(ch)
	}
	c.s.tally.live.Add(live)
	c.s.tally.wrote(o.applied.Index, len(changes), written)
	c.s.index.Publish(o.applied.Index)
	for i := range changes {
		c.s.watch.Notify(changes[i].id, o.applied.Index)
	}
	c.s.counts.batches.Add(1)
	c.s.counts.writes.Add(uint64(len(changes)))
}

// publish makes one version visible.
func (s *Store) publish(ch *change) {
	if ch.before != nil && s.quarantine.covers(ch.before) {
		s.counts.quarantined.Add(-1)
	}
	s.table.put(&ch.id, ch.v)
	was, is := ch.before != nil && !ch.before.tombstone(), !ch.v.tombstone()
	switch {
	case was && is:
		if ch.relist != nil {
			s.lists.move(ch.id, ch.relist, ch.v.modified())
		}
	case is:
		s.lists.insert(ch.id, &ch.relist.to)
		s.counts.allocations.Add(1)
		if ch.before != nil {
			s.counts.tombstones.Add(-1)
		}
	case was:
		s.lists.remove(ch.id, ch.relist, ch.v.modified())
		s.counts.allocations.Add(-1)
		s.counts.tombstones.Add(1)
	}
}

// afterGroup is what one pass over a whole group suffices for.
func (s *Store) afterGroup() {
	s.tail.wake()
	s.sweepLists()
	s.sweeper.nudge()
}

// sweepLists forgets what no reader can ask the lists for any more.
func (s *Store) sweepLists() {
	if !s.lists.pending(s.index.Last()) {
		return
	}
	if oldest := s.readers.oldest(s.index.Last()); s.lists.pending(oldest) {
		s.lists.sweep(oldest)
	}
}
