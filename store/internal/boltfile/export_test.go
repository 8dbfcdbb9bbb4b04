package boltfile

// Written returns the pages that Secure writes again.
func (f *File) Written() ([]uint64, error) { return f.written() }

// InUse reports whether a walked page has referred to the page.
func (f *File) InUse(id uint64) bool { return f.seen.has(id) }
