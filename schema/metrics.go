package schema

import (
	"encoding/json"
	"time"
)

// AllocMetric has the figures behind the scheduler's choice of a node.
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
	Extra              map[string]json.RawMessage
}
