package boltfile

import (
	"fmt"

	"allocstore/store/internal/corrupt"
)

// Damage is an error in the content of the file. It is also a corrupt.Err.
type Damage struct {
	Page   uint64 // the number of the damaged page; 0 for the file as a whole
	Reason string
}

// Error returns the page and the reason.
func (d *Damage) Error() string {
	if d.Page == 0 {
		return fmt.Sprintf("%v: %s", corrupt.Err, d.Reason)
	}
	return fmt.Sprintf("%v: page %d: %s", corrupt.Err, d.Page, d.Reason)
}

// Unwrap returns corrupt.Err.
func (d *Damage) Unwrap() error { return corrupt.Err }

func damage(page uint64, format string, args ...any) error {
	return &Damage{Page: page, Reason: fmt.Sprintf(format, args...)}
}
