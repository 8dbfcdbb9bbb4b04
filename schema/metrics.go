package schema

import "time"

// AllocMetric tells how the scheduler came to place the allocation where it is.
type AllocMetric struct {
	CoalescedFailures  int
	AllocationTime     time.Duration
	NodesEvaluated     int
	NodesFiltered      int
	ClassFiltered      map[string]int
	ConstraintFiltered map[string]int
	NodesExhausted     int
	ClassExhausted     map[string]int
	DimensionExhausted map[string]int
	Scores             map[string]float64 // "<node>.<scorer>"; NaN and infinities are refused
}
