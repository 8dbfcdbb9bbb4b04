package store

import "context"

// Sweep makes one pass of compaction.
func (s *Store) Sweep(ctx context.Context) error { return s.sweeper.pass(ctx) }

// ResidentBytes adds up what Stats.ResidentBytes keeps account of.
func (s *Store) ResidentBytes() (sum int64) {
	for _, v := range s.table.all() {
		if a := v.alloc.Load(); a != nil {
			sum += int64(a.Footprint())
		}
	}
	return sum
}
