package store

import "context"

// Sweep makes one pass of compaction.
func (s *Store) Sweep() error { return s.sweeper.pass(context.Background()) }
