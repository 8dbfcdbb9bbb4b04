package boltfile

import "fmt"

// Damage is an error in the content of the file.
type Damage struct {
	Page   uint64 // the number of the damaged page; 0 for the file as a whole
	Reason string
}

// Error returns the page and the reason.
func (d *Damage) Error() string {
	if d.Page == 0 {
		return d.Reason
	}
	return fmt.Sprintf("page %d: %s", d.Page, d.Reason)
}

func damage(page uint64, format string, args ...any) error {
	return &Damage{Page: page, Reason: fmt.Sprintf(format, args...)}
}
