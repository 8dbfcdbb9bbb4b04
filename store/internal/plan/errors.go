package plan

import (
	"errors"
	"fmt"
)

// ErrNoJob refuses a batch that inserts an allocation without a job.
var ErrNoJob = errors.New("insert without a job")

// A Conflict refuses a batch because a condition does not hold.
type Conflict struct {
	Condition int // the position of the first such condition
	// Actual is the index found: the allocation's ModifyIndex, or 0 if it does not exist; or the index
	// of the list.
	Actual uint64
}

// Error names the condition by its position.
func (c *Conflict) Error() string {
	return fmt.Sprintf("batch condition %d: found index %d", c.Condition, c.Actual)
}
