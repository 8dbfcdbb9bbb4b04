package store

// Sweep makes one pass of compaction.
func (s *Store) Sweep() error { return s.sweeper.pass(nil) }
