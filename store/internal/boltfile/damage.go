package boltfile

import "fmt"

// Damage is an error about what the file says.
type Damage struct {
	Page   uint64 // the number of the page that is at fault; 0 if it is the file as a whole
	Reason string
}

// Error names the page and what is wrong with it.
func (d *Damage) Error() string {
	if d.Page == 0 {
		return d.Reason
	}
	return fmt.Sprintf("page %d: %s", d.Page, d.Reason)
}

func damage(page uint64, format string, args ...any) error {
	return &Damage{Page: page, Reason: fmt.Sprintf(format, args...)}
}
