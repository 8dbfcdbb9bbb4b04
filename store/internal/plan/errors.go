package plan

import (
	"errors"
	"fmt"
)

// ErrNoJob refuses a batch that inserts an allocation without a job.
var ErrNoJob = errors.New("insert without a job")

// A Conflict refuses a batch of which a condition does not hold.
type Conflict struct {
	Condition int    // its position
	Actual    uint64 // the index found: the ModifyIndex, 0 if there is no allocation, or that of the list
}

// Error names the condition by its position.
func (c *Conflict) Error() string {
	return fmt.Sprintf("batch condition %d: found index %d", c.Condition, c.Actual)
}
